"""Real observations to the ranges of a bundle's policy: ``calibration.json``.

The frames go the robot's own way, from the camera's pixels through the native preprocessing into
``policy.onnx``. A set that is too small, or seen by another camera, is refused: its ranges would
build, run, and be wrong on the robot.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from lapa_edge.artifact import Bundle
from lapa_edge.errors import BundleError, DataError
from lapa_edge.export.observations import Observations, check_observations
from lapa_edge.export.precision.quantize import find_ranges
from lapa_edge.export.precision.ranges import Feed
from lapa_edge.runtime.policy import Policy

CALIBRATION = "calibration.json"
POLICY = "policy.onnx"
# Peers ask for about 500 frames. 64 left 98.5 % of a trained agent's codes as they were; the
# others are for scenes that differ more than the demo's.
LEAST = 200
Size = tuple[int, int]


class PolicyCalibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a policy's 8-bit scales were made from; ``calibration.json`` as it stands.

    Attributes:
        source: of the observations, in words.
        observations: how many.
        sha256: of everything in them.
        camera_sizes: rows and columns of each camera, pixels.
        onnx_sha256: of the float32 graph that was watched.
        ranges: by tensor, the magnitude at which int8 ends.
    """

    source: str
    observations: int
    sha256: str
    camera_sizes: tuple[Size, ...]
    onnx_sha256: str
    ranges: dict[str, float]


def calibrate_policy(
    bundle: Bundle,
    observations: Observations,
    least: int = LEAST,
    camera_size: Size | None = None,
) -> PolicyCalibration:
    """Watch ``policy.onnx`` of `bundle` on `observations`.

    Args:
        bundle: verified.
        observations: real ones; frames as the camera gave them.
        least: how many are enough.
        camera_size: rows and columns of the robot's camera, where it is known; unless given,
            those of the calibration that the bundle carries, if it does.

    Raises:
        BundleError: the calibration that it carries is damaged.
        DataError: too few, frames of several sizes, or of another camera.
        RuntimeInputError: they are ragged, not finite, or of more or fewer cameras.
    """
    check_observations(observations, bundle.spec)
    sizes = check_calibration(observations, least, camera_size)
    if camera_size is None:
        _check_same_cameras(bundle, observations, sizes)
    policy = Policy(bundle, observations.instructions[0])

    def feeds() -> Iterator[Feed]:
        for i, frame in enumerate(observations.frames):
            if observations.instructions[i] != policy.instruction:
                policy.set_instruction(observations.instructions[i])
            yield policy.inputs(frame, observations.state_told(i))

    return PolicyCalibration(
        source=observations.source,
        observations=len(observations),
        sha256=observations.sha256(),
        camera_sizes=sizes,
        onnx_sha256=bundle.manifest.files[POLICY].sha256,
        ranges=find_ranges(bundle.path(POLICY).read_bytes(), POLICY, feeds),
    )


def check_calibration(
    observations: Observations, least: int, camera_size: Size | None = None
) -> tuple[Size, ...]:
    """Rows and columns of each camera; arguments and errors as for `calibrate_policy`."""
    count, thing = len(observations), f"calibration set ({observations.source})"
    if count < least:
        raise DataError(
            thing,
            f"expected at least {least} observations, got {count}",
            "give more clips with --data; fewer make ranges that the robot leaves",
        )
    seen = [_sizes(views) for views in observations.frames]
    if len(set(seen)) > 1:
        other = next(sizes for sizes in seen if sizes != seen[0])
        raise DataError(
            thing,
            f"frames of one camera, got {_words(seen[0])} and {_words(other)}",
            "calibrate on what the robot's own camera recorded",
        )
    if camera_size and any(size != tuple(camera_size) for size in seen[0]):
        raise DataError(
            thing,
            f"expected frames of the robot's camera, {_words((camera_size,))}, "
            f"got {_words(seen[0])}",
            "calibrate on what the robot's own camera recorded",
        )
    return seen[0]


def _check_same_cameras(
    bundle: Bundle, observations: Observations, sizes: tuple[Size, ...]
) -> None:
    """Raise `DataError` for frames of other sizes than the bundle was calibrated on before."""
    if CALIBRATION not in bundle.manifest.files:
        return
    try:
        told = msgspec.json.decode(bundle.path(CALIBRATION).read_bytes(), type=PolicyCalibration)
    except msgspec.MsgspecError as error:
        problem = f"{CALIBRATION} is damaged ({error})"
        fix = "export the bundle again from its run"
        raise BundleError(f"bundle {bundle.root}", problem, fix) from error
    if told.camera_sizes != sizes:
        raise DataError(
            f"calibration set ({observations.source})",
            f"expected frames as the bundle was calibrated on, {_words(told.camera_sizes)}, "
            f"got {_words(sizes)}",
            "calibrate on what the robot's own camera recorded; if that camera is another one now, "
            "say so with --camera-size ROWS COLUMNS",
        )


def _sizes(views: object) -> tuple[Size, ...]:
    each = [views] if isinstance(views, np.ndarray) else views
    return tuple(view.shape[:2] for view in each)  # type: ignore[attr-defined]


def _words(sizes: tuple[Size, ...]) -> str:
    return " and ".join(f"{width} x {height}" for height, width in sizes)
