"""What the parameters say, as one value. No ROS in here."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lapa_edge.errors import ConfigError
from lapa_edge.runtime.backends.names import Backend, Device
from lapa_edge_ros.table import TABLE


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the parameters say; the fields are `TABLE`'s names, units and ranges stand there."""

    model_path: str
    device: Device
    backend: Backend
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
    estop_timeout: float
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


def check_settings(settings: Settings) -> None:
    """Raise `ConfigError` for what a parameter's type and range let pass: words and NaN."""
    for row in TABLE:
        value = getattr(settings, row.name)
        if row.choices and value not in row.choices:
            expected = " or ".join(f'"{choice}"' for choice in row.choices)
            raise ConfigError(row.name, f'expected {expected}, got "{value}"')
        numbers = value if isinstance(value, tuple) else (value,)
        if any(isinstance(number, float) and not math.isfinite(number) for number in numbers):
            raise ConfigError(row.name, f"expected finite numbers, got {value}")
