"""The parameters of `TABLE`, declared with descriptions and ranges, read as one `Settings`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import ParameterUninitializedException
from rclpy.node import Node
from rclpy.parameter import Parameter

from lapa_edge_ros.table import ROWS, TABLE, Empty, Row

_ARRAYS = {
    Empty.STRINGS: Parameter.Type.STRING_ARRAY,
    Empty.DOUBLES: Parameter.Type.DOUBLE_ARRAY,
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the parameters say; the fields are `TABLE`'s names, units and ranges stand there."""

    model_path: str
    device: str
    backend: str
    instruction: str
    policy_rate: float
    control_rate: float
    output_type: str
    frame_id: str
    joint_names: tuple[str, ...]
    gripper_joint: str
    action_meaning: tuple[str, ...]
    image_transport: str
    expected_image_rate: float
    image_timeout: float
    state_timeout: float
    max_observation_age: float
    max_future_stamp: float
    max_latent_age: float
    chunk_timeout: float
    max_linear_velocity: float
    max_angular_velocity: float
    max_acceleration: float
    max_joint_step: float
    workspace_min: tuple[float, ...]
    workspace_max: tuple[float, ...]
    joint_position_min: tuple[float, ...]
    joint_position_max: tuple[float, ...]
    stale_action: str
    autostart: bool
    start_enabled: bool
    dry_run: bool
    inference_threads: int
    real_time_priority: int
    cpu: int


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
