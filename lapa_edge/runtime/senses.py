"""What the latent policy is told: camera frames and state as its network reads them.

The same on the robot and where a trained network is asked before it is exported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lapa_edge import _native
from lapa_edge.errors import RuntimeInputError
from lapa_edge.spec import PolicySpec

Views: TypeAlias = NDArray[np.uint8] | Sequence[NDArray[np.uint8]]
"""What is looked at: one camera's frame, or one of each camera in the order of the spec."""


class Senses:
    """The cameras and the state of a spec."""

    def __init__(self, spec: PolicySpec) -> None:
        self._spec = spec
        self._preprocessors: dict[str, tuple[tuple[int, ...], _native.Preprocessor]] = {}

    def image(self, frame: Views) -> NDArray[np.float32]:
        """``u8 [H, W, 3]`` of each camera to ``f32 [1, 3 v, h, w]``.

        Resized and normalised by the native kernel.
        """
        cameras = self._spec.cameras
        views = [frame] if isinstance(frame, np.ndarray) else list(frame)
        if len(views) != len(cameras):
            raise RuntimeInputError(
                "camera frames",
                f"expected {len(cameras)} ({', '.join(cameras)}), got {len(views)}",
                "give one frame of each camera, in this order",
            )
        planes = [self._planes(name, view) for name, view in zip(cameras, views, strict=True)]
        return (planes[0] if len(planes) == 1 else np.concatenate(planes))[None]

    def _planes(self, camera: str, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        spec = self._spec.frame
        shape, preprocessor = self._preprocessors.get(camera, ((), None))
        try:
            if preprocessor is not None and np.shape(frame) == shape:
                return preprocessor.run(frame)
            planes = _native.preprocess_frame(frame, spec.height, spec.width, spec.mean, spec.std)
        except (ValueError, TypeError) as error:
            which = f" of {camera}" if len(self._spec.cameras) > 1 else ""
            raise RuntimeInputError(f"camera frame{which}", str(error)) from error
        # The next one is likely to be of the same size.
        preprocessor = _native.Preprocessor(
            frame.shape[0], frame.shape[1], spec.height, spec.width, spec.mean, spec.std
        )
        self._preprocessors[camera] = frame.shape, preprocessor
        return planes

    def state(self, state: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """``[1, s + 1]``: the state and, last, 1 for known; all 0 where it is not."""
        names = self._spec.state.names
        told = np.zeros((1, len(names) + 1), np.float32)
        if state is None:
            return told
        if np.shape(state) != (len(names),):
            raise RuntimeInputError(
                "state", f"expected [{len(names)}] ({', '.join(names)}), got {np.shape(state)}"
            )
        told[0, :-1], told[0, -1] = state, 1
        if not np.isfinite(told).all():
            raise RuntimeInputError(
                "state", "expected finite numbers, got NaN or infinity", "leave out what is unknown"
            )
        return told
