"""What is profiled and for how long: the flags of ``lapa-profile``.

Nothing that they set in motion is imported here, so that ``--help`` answers at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from lapa_edge.errors import ConfigError
from lapa_edge.runtime.backends.names import Backend, Device, HeadBackend, HeadPrecision

RATES_HZ = (10.0, 30.0, 100.0, 200.0)

MAX_THREADS = 1024

CameraFormat = Literal["rgb", "nv12"]


@dataclass(frozen=True)
class Choice:
    """What is measured of a bundle."""

    backend: Backend = "onnx"
    """What runs the policy."""
    device: Device | None = None
    """Where; unless given the CPU for onnx, the GPU for tensorrt."""
    graph: str = "policy"
    """Which of the bundle's graphs: a file's name without its end."""
    threads: int = 1
    """ONNX Runtime threads for the policy on the CPU; 0 chooses by the machine."""
    head: HeadBackend = "native"
    """What runs the action head."""
    head_precision: HeadPrecision = "f32"
    """Of the native head's weights."""
    camera: tuple[int, int] = (480, 640)
    """Rows and columns of the camera frame, pixels."""
    camera_format: CameraFormat = "rgb"
    """What the camera gives."""
    seed: int = 0
    """Of the random frame."""


@dataclass(frozen=True)
class ProfilePlan:
    """How long each kind of measuring goes on."""

    repeats: int = 1000
    """Measured rounds, back to back; every part runs once in each."""
    warm_up: int = 50
    """Rounds before them that are not counted."""
    noise_repeats: int = 200
    """Rounds of the policy against itself; 0 leaves the noise floor out."""
    paced_s: float = 5.0
    """Seconds at each rate, for the whole way and for the control tick; 0 leaves deadlines out."""
    rates_hz: tuple[float, ...] = RATES_HZ
    """Rates of the paced runs."""
    layer_runs: int = 20
    """Runs under the backend's own profiler; 0 leaves layers and roofline out."""
    top_layers: int = 10
    """Layers that are kept."""


def check_ranges(choice: Choice, plan: ProfilePlan) -> None:
    """Raise `ConfigError` for the first flag outside its range, before anything is opened."""
    if not 0 <= choice.threads <= MAX_THREADS:
        raise ConfigError("--threads", f"expected 0 to {MAX_THREADS}, got {choice.threads}")
    for flag, value, least in (
        ("--seed", choice.seed, 0),
        ("--repeats", plan.repeats, 1),
        ("--warm-up", plan.warm_up, 0),
        ("--noise-repeats", plan.noise_repeats, 0),
        ("--layer-runs", plan.layer_runs, 0),
        ("--top-layers", plan.top_layers, 0),
    ):
        if value < least:
            raise ConfigError(flag, f"expected {least} or more, got {value}")
    if not (math.isfinite(plan.paced_s) and plan.paced_s >= 0):
        raise ConfigError("--paced-s", f"expected seconds, 0 or more, got {plan.paced_s:g}")
    for rate in plan.rates_hz:
        if not (math.isfinite(rate) and rate > 0):
            raise ConfigError("--rates-hz", f"expected rates above 0, got {rate:g}")
