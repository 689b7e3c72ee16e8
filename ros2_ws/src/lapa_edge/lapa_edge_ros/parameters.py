"""The node's parameters: declared with units and ranges, read once per configure."""

from __future__ import annotations

from dataclasses import dataclass

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node


@dataclass(frozen=True)
class Settings:
    """What the parameters said when the node was configured. Rates in Hz, 0 for the bundle's."""

    model_path: str
    instruction: str
    policy_rate: float
    control_rate: float
    image_timeout: float
    state_timeout: float
    inference_threads: int
    dry_run: bool


# name, default, description, range
TABLE: tuple[tuple[str, str | float | int | bool, str, tuple[float, float] | None], ...] = (
    ("model_path", "", "Directory of the bundle that lapa-export wrote.", None),
    ("instruction", "", "What the robot is to do, in words.", None),
    ("policy_rate", 0.0, "Hz, looks per second at most; 0 for the bundle's.", (0.0, 1000.0)),
    ("control_rate", 0.0, "Hz, commands per second; 0 for the bundle's.", (0.0, 1000.0)),
    ("image_timeout", 0.2, "s since receipt, after which an image stops the robot.", (0.001, 10.0)),
    ("state_timeout", 0.2, "s since receipt, after which a state stops the robot.", (0.001, 10.0)),
    ("inference_threads", 1, "ONNX Runtime threads of the policy.", (1, 64)),
    ("dry_run", False, "Publish commands on ~/command instead of command.", None),
    ("autostart", False, "Configure and activate at once; exit with status 1 if refused.", None),
)


def declare_parameters(node: Node) -> None:
    """Declare every parameter of `TABLE` on the node."""
    for name, default, description, limits in TABLE:
        descriptor = ParameterDescriptor(description=description)
        if limits and isinstance(default, float):
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=limits[0], to_value=limits[1])
            ]
        elif limits:
            descriptor.integer_range = [
                IntegerRange(from_value=int(limits[0]), to_value=int(limits[1]), step=1)
            ]
        node.declare_parameter(name, default, descriptor)


def read_settings(node: Node) -> Settings:
    """The declared parameters as they stand now."""
    return Settings(**{name: node.get_parameter(name).value for name in Settings.__annotations__})
