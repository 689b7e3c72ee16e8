"""The parameters of `TABLE`, declared with descriptions and ranges, read as one `Settings`."""

from __future__ import annotations

from collections.abc import Iterable

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import ParameterUninitializedException
from rclpy.node import Node
from rclpy.parameter import Parameter

from lapa_edge_ros.settings import Settings
from lapa_edge_ros.table import ROWS, TABLE, Empty, Row

_ARRAYS = {
    Empty.STRINGS: Parameter.Type.STRING_ARRAY,
    Empty.DOUBLES: Parameter.Type.DOUBLE_ARRAY,
}


def declare_parameters(node: Node) -> None:
    """Declare every parameter of `TABLE` on the node.

    Raises:
        rclpy.exceptions.ParameterException: a value from outside has another type or range.
    """
    for row in TABLE:
        if not isinstance(row.default, Empty):
            node.declare_parameter(row.name, row.default, _descriptor(row))
            continue
        # As a default, rclpy takes an empty list for one of bytes, and that type is for good.
        kind = _ARRAYS[row.default]
        node.declare_parameter(row.name, kind, _descriptor(row))
        if not _is_set(node, row.name):
            node.set_parameters([Parameter(row.name, kind, [])])


def _is_set(node: Node, name: str) -> bool:
    try:
        node.get_parameter(name)
    except ParameterUninitializedException:
        return False
    return True


def _descriptor(row: Row) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=row.description, read_only=row.change == "fixed")
    if row.bounds and isinstance(row.default, float):
        low, high = row.bounds
        descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    elif row.bounds:
        low, high = map(int, row.bounds)
        descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
    return descriptor


def read_settings(node: Node, changed: Iterable[Parameter] = ()) -> Settings:
    """The parameters as they stand now, with those `changed` that are about to be."""
    values = {row.name: node.get_parameter(row.name).value for row in TABLE}
    values |= {parameter.name: parameter.value for parameter in changed if parameter.name in ROWS}
    return Settings(
        **{
            name: tuple(value) if isinstance(ROWS[name].default, Empty) else value
            for name, value in values.items()
        }
    )
