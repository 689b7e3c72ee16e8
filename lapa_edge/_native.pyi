"""The compiled kernels: quantizing, the action head, preprocessing.

Every function has a readable twin of the same name in ``lapa_edge.runtime.reference``, and gives
the same bits as the twin on every machine, on the CPU and on the GPU. Arrays are numpy's, on the
host; ``device="cuda"`` copies there and back. Arrays that are not contiguous are copied. The GIL
is released while a kernel runs.

Errors everywhere: ValueError for a wrong dtype, shape or value, NaN and infinity included;
RuntimeError where ``device="cuda"`` is asked for and no CUDA device answers.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

_Device = Literal["cpu", "cuda"]
_Order = Literal["rgb", "bgr"]

def built_with_cuda() -> bool:
    """Whether this build has CUDA kernels."""

def cuda_available() -> bool:
    """Whether a CUDA device answers. Asks the driver on each call; False without one."""

def instruction_sets() -> list[str]:
    """The vector instruction sets that this CPU runs, the fastest last.

    Of "scalar", "avx2", "avx512" (with VNNI and VBMI), "neon", "neon_dotprod".
    """

def active_instruction_set() -> str:
    """The set whose kernels run: the fastest, unless another was chosen."""

def choose_instruction_set(name: str) -> None:
    """Run the kernels of this set from now on, in the whole process; for tests and benchmarks.

    A head that was built before keeps the set it was built for. Results do not depend on it.
    """

def nearest_code(
    x: NDArray[np.float32], codebook: NDArray[np.float32], *, device: _Device = "cpu"
) -> NDArray[np.int32]:
    """Index of the codebook row nearest (L2) to each row of ``x``; the lowest among equals.

    The squared differences are summed as written, never by ``|x|^2 - 2 x.c + |c|^2``.

    Args:
        x: float32 [m, d]; m may be 0.
        codebook: float32 [k, d], k and d at least 1.
        device: where to compute.

    Returns:
        int32 [m].

    Raises:
        ValueError: also where a row of ``x`` is so far from every code that the float32 distance
            overflows.
    """

class ActionHead:
    """The residual MLP that turns latent, state and latent age into a chunk of actions.

    ``h = relu(W_in x + b_in)``; for each block ``h = h + (W_down relu(W_up h + b_up) + b_down)``;
    ``y = W_out h + b_out``. Weights are checked and copied once, here. One head runs one call at
    a time: a second thread gets a RuntimeError, so build one head per thread.

    Args:
        weights: float32 arrays by name, in torch's [outputs, inputs] layout: ``input.weight``
            [w, in], ``input.bias`` [w]; ``blocks.{i}.up.weight`` and ``blocks.{i}.down.weight``
            [w, w], ``blocks.{i}.up.bias`` and ``blocks.{i}.down.bias`` [w]; ``output.weight``
            [out, w], ``output.bias`` [out]. None may be missing, none may be left over.
        device: where the weights live and the head runs. "cuda" takes ``in + 2 w`` up to 12288.
    """

    def __init__(
        self, weights: dict[str, NDArray[np.float32]], *, device: _Device = "cpu"
    ) -> None: ...
    @property
    def input_size(self) -> int: ...
    @property
    def output_size(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def blocks(self) -> int: ...
    def forward(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """``x`` float32 [b, in] to float32 [b, out]; b may be 0.

        Raises:
            ValueError: also where the network overflows float32: what is returned is finite.
        """

    def forward_into(self, x: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        """One step without allocation: ``x`` float32 [in] into ``out`` float32 [out].

        Both must be contiguous. After an error ``out`` holds nothing of use.
        """

def resize_frame(
    image: NDArray[np.uint8], height: int, width: int, *, device: _Device = "cpu"
) -> NDArray[np.uint8]:
    """Antialiased: halved while at least twice too large, then Pillow's BILINEAR in fixed point.

    Args:
        image: uint8 [h, w, 3], sides of 1 to 16384.
        height: rows of the result, 1 to 16384.
        width: columns of the result, 1 to 16384.
        device: where to compute.

    Returns:
        uint8 [height, width, 3]; a copy where the size is already right.
    """

def preprocess_frame(
    image: NDArray[np.uint8],
    height: int,
    width: int,
    mean: Sequence[float],
    std: Sequence[float],
    *,
    order: _Order = "rgb",
    device: _Device = "cpu",
) -> NDArray[np.float32]:
    """What the policy sees: ``resize_frame``, normalised, planes first.

    ``pixel * scale + offset`` in float32, rounded once, with ``scale = 1 / (255 std)`` and
    ``offset = -mean / std``, the offset within 1/500 of a pixel's level.

    Args:
        image: uint8 [h, w, 3], sides of 1 to 16384.
        height: rows of the result, 1 to 16384.
        width: columns of the result, 1 to 16384.
        mean: three values from -100 to 100 in units of full scale (0 to 1), by plane.
        std: three values from 1e-6 to 1e6 in the same unit.
        order: how the channels of the image lie.
        device: where to compute.

    Returns:
        float32 [3, height, width]: red, green, blue.
    """

class Preprocessor:
    """``preprocess_frame`` for a camera's frames: all that they have in common is made once.

    Frames may have padded rows. One preprocessor runs one call at a time: a second thread gets a
    RuntimeError, so build one per thread.

    Args:
        source_height: rows of every frame, 1 to 16384.
        source_width: columns of every frame, 1 to 16384.
        height: see ``preprocess_frame``; so are the others.
    """

    def __init__(
        self,
        source_height: int,
        source_width: int,
        height: int,
        width: int,
        mean: Sequence[float],
        std: Sequence[float],
        *,
        order: _Order = "rgb",
    ) -> None: ...
    def run(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [source_height, source_width, 3] to float32 [3, height, width]."""

    def run_into(self, frame: NDArray[np.uint8], planes: NDArray[np.float32]) -> None:
        """``run`` without allocation. Neither is copied: pixels lie side by side in each row."""

    def bind(self, frame: NDArray[np.uint8], planes: NDArray[np.float32]) -> Callable[[], None]:
        """``run_into`` as a function without arguments, for buffers that stay.

        It looks at whatever ``frame`` holds when it is called, keeps both arrays alive, and has
        scratch of its own: several may run at once.
        """
