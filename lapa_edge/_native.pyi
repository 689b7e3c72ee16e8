"""The compiled kernels: quantizing, the action head, preprocessing; and the control loop.

Every kernel has a readable twin in ``lapa_edge.runtime.reference``, and gives the same bits as the
twin on every machine, on the CPU and on the GPU. Arrays are numpy's, on the host;
``device="cuda"`` copies there and back. Unless it says otherwise, arrays that are not contiguous
are copied, and the GIL is released while a kernel runs.

Errors everywhere: ValueError for a wrong dtype, shape or value, NaN and infinity included;
RuntimeError where ``device="cuda"`` is asked for and no CUDA device answers.
"""

from collections.abc import Callable, Sequence
from typing import Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

_Device = Literal["cpu", "cuda"]
_Precision = Literal["f32", "bf16", "int8"]
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

    What was built before, a head or a codebook, keeps its set. Results do not depend on it.
    """

def nearest_code(
    x: NDArray[np.float32], codebook: NDArray[np.float32], *, device: _Device = "cpu"
) -> NDArray[np.int32]:
    """Index of the codebook row nearest (L2) to each row of ``x``; the lowest among equals.

    Exact: the squared differences are summed as written, in float64, so no distance overflows. The
    codebook is packed anew by each call; ``Codebook`` does it once.

    Args:
        x: float32 [m, d]; m may be 0.
        codebook: float32 [k, d], k and d at least 1.
        device: where to compute.

    Returns:
        int32 [m].
    """

class Codebook:
    """A codebook packed once for many lookups, each as ``nearest_code`` answers it.

    Keeps a copy. May be used by several threads at once. The GIL is released where a lookup takes
    about 10 us or more (m * k * d of 2^20): below, releasing it would cost more than it gives.

    Args:
        codebook: float32 [k, d], k and d at least 1.
        device: where it lies and lookups run; on "cuda" threads take turns.
    """

    def __init__(self, codebook: NDArray[np.float32], *, device: _Device = "cpu") -> None: ...
    @property
    def size(self) -> int:
        """k."""

    @property
    def width(self) -> int:
        """d."""

    def nearest(self, x: NDArray[np.float32]) -> NDArray[np.int32]:
        """``x`` float32 [m, d] to codes int32 [m]; m may be 0."""

    def bind(
        self, x: NDArray[np.float32], codes: NDArray[np.int32], latents: NDArray[np.float32]
    ) -> Callable[[], None]:
        """A step without arguments or allocation, over buffers that it keeps alive.

        Each call quantizes what ``x`` then holds: the codes into ``codes``, their vectors into
        ``latents``. After an error ``codes`` holds nothing of use, and ``latents`` what it held.

        Args:
            x: float32 [n, d].
            codes: int32 [n], writeable.
            latents: float32 [n, d], writeable.

        Raises:
            ValueError: an array is not contiguous or not writeable; from the step, where ``x``
                holds NaN or infinity.
        """

class ActionHead:
    """The residual MLP that turns latent, context, state and latent age into a chunk of actions.

    ``h = relu(W_in x + b_in)``; for each block ``h = h + (W_down r + b_down)``, where
    ``r = relu(W_up h + b_up)`` or, gated, ``r = (W_up h + b_up) * relu(W_gate h + b_gate)``
    (ReGLU, arXiv 2002.05202); ``y = W_out h + b_out``. Weights are checked and copied once, here.
    One head runs one call at a time: a second thread gets a RuntimeError, so build one head per
    thread.

    Args:
        weights: float32 arrays by name, in torch's [outputs, inputs] layout: ``input.weight``
            [w, in], ``input.bias`` [w]; ``blocks.{i}.up.weight`` and ``blocks.{i}.down.weight``
            [w, w], ``blocks.{i}.up.bias`` and ``blocks.{i}.down.bias`` [w]; where the head is
            gated, ``blocks.{i}.gate.weight`` [w, w] and ``blocks.{i}.gate.bias`` [w] in every
            block; ``output.weight`` [out, w], ``output.bias`` [out]. None may be missing, none
            may be left over.
        precision: how the weights are stored; activations are float32 between the layers.
            "bf16" rounds them to nearest even and then computes as "f32" does. "int8" quantizes
            weights and each layer's inputs; it is exact integers in between, and takes layers of
            up to 133144 inputs.
        calibration: for "int8": by layer (``input``, ``blocks.{i}.up``, ..., ``output``) the
            largest magnitudes of its inputs, float32 [inputs], 1e-30 to 1e30. lapa-export writes
            them. Inputs well beyond them saturate.
        prefix: how many leading inputs `bind_rest` caches.
        device: where the weights live and the head runs. "cuda" takes "f32", no prefix, and
            ``in + 2 w`` up to what the GPU's shared memory holds: 56,000 on an H200 by its data
            sheet.
        persistent: on "cuda", keep the kernel on the GPU between steps, weights in shared memory;
            refused where they do not fit. It leaves for a moment every half second, since CUDA
            frees memory and loads kernels only while nothing runs.
        timeout_s: on "cuda", how long a step waits for the GPU: above 0, at most 60.

    Raises:
        RuntimeError: while it runs, the GPU did not answer in time, or CUDA failed.
    """

    def __init__(
        self,
        weights: dict[str, NDArray[np.float32]],
        *,
        precision: _Precision = "f32",
        calibration: dict[str, NDArray[np.float32]] | None = None,
        prefix: int = 0,
        device: _Device = "cpu",
        persistent: bool = False,
        timeout_s: float = 0.1,
    ) -> None: ...
    @property
    def input_size(self) -> int: ...
    @property
    def output_size(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def blocks(self) -> int: ...
    @property
    def gated(self) -> bool: ...
    @property
    def precision(self) -> _Precision: ...
    @property
    def prefix(self) -> int: ...
    def forward(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """``x`` float32 [b, in] to float32 [b, out]; b may be 0.

        Raises:
            ValueError: also where the network overflows float32: what is returned is finite.
        """

    def forward_into(self, x: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        """One step without allocation: ``x`` float32 [in] into ``out`` float32 [out].

        Both must be contiguous. After an error ``out`` holds nothing of use.
        """

    def bind(self, x: NDArray[np.float32], out: NDArray[np.float32]) -> HeadStep:
        """Steps from ``x`` float32 [in] into ``out`` float32 [out], both contiguous.

        The arrays are checked once, here, and kept alive: write the next input into ``x``.
        """

    def bind_rest(
        self,
        prefix: NDArray[np.float32],
        rest: NDArray[np.float32],
        out: NDArray[np.float32],
    ) -> HeadStep:
        """Steps that compute anew only what depends on ``rest``; the same bits as `bind`.

        ``prefix`` float32 [prefix], the latent and context, is read by `HeadStep.refresh` alone;
        ``rest`` float32 [in - prefix] by every step. A head caches one prefix: of two bindings,
        the one refreshed last has set it for both.
        """

class HeadStep:
    """A head bound to its arrays. Made by `ActionHead.bind` and `ActionHead.bind_rest`.

    A call takes no arguments, allocates nothing and releases the GIL while the head runs.
    """

    def step(self) -> None:
        """One pass.

        Raises:
            ValueError: the input or the output is not finite, or no prefix was taken; ``out``
                then holds nothing of use.
        """

    def try_step(self) -> bool:
        """`step` for loops: False where it would raise, and `status` says why."""

    def refresh(self) -> None:
        """Take the prefix as it stands now; needed before the first step of `bind_rest`.

        Raises:
            ValueError: the prefix is not finite; steps are refused until one is.
        """

    def try_refresh(self) -> bool:
        """`refresh` for loops: False where it would raise ValueError."""

    @property
    def status(
        self,
    ) -> Literal[
        "ok",
        "input_not_finite",
        "output_not_finite",
        "prefix_not_set",
        "device_silent",
        "device_failed",
    ]:
        """How the last call that ran ended; one that the head was too busy for leaves it be."""

class ControlCommand:
    """What one tick of a `ControlLoop` told the robot.

    ``action`` float32 [a], always finite and within its limits; ``standstill`` float32 [a], what
    stops the robot if no other tick follows; ``status`` "moving", or why ``action`` is what stands
    still; ``where`` the index that is at fault, for "head_overflow"; ``clamped``
    dimensions brought into their limits; ``tick`` 1, 2, ... since the start, 0 before the first;
    ``ticked_at_s`` NaN before the first; ages in seconds, NaN where there was no such input;
    ``sendable`` False while a position that would stand still was never measured.
    """

    @property
    def sendable(self) -> bool: ...
    @property
    def action(self) -> NDArray[np.float32]: ...
    @property
    def standstill(self) -> NDArray[np.float32]: ...
    @property
    def status(self) -> str: ...
    @property
    def where(self) -> int: ...
    @property
    def clamped(self) -> int: ...
    @property
    def tick(self) -> int: ...
    @property
    def ticked_at_s(self) -> float: ...
    @property
    def latent_age_s(self) -> float: ...
    @property
    def state_age_s(self) -> float: ...

class _LoopStats(TypedDict):
    """Since the last start. A distribution is its counts int64 [buckets] and its largest value."""

    ticks: int
    skipped: int
    late: int
    statuses: dict[str, int]
    lateness_ns: tuple[NDArray[np.int64], int]
    execution_ns: tuple[NDArray[np.int64], int]
    latent_age_ns: tuple[NDArray[np.int64], int]

class ControlLoop:
    """A native thread that ticks at a fixed rate and never waits for Python.

    Each tick takes the newest latent and state, runs the action head, and leaves a command. See
    csrc/control_loop/control_loop.hpp; `lapa_edge.runtime.control_loop` makes one from a bundle.
    All times are seconds of ``time.monotonic()``.

    Args:
        weights: of an `ActionHead` from [latent, state, last action, latent age, chunk index] to
            a chunk, but for the parts that it is not told.
        precision, calibration: of that head, as `ActionHead` takes them.
        latent: floats that come with a latent, the context's among them.
        state_mean, state_std: [s]; the head sees ``(x - mean) / std``.
        action_mean, action_std: [a]; the same, for the last action and for the head's answer.
        action_low, action_high, action_stop: [a], low <= stop <= high.
        holds: (action, state): positions, which stop where that state was measured last.
        grippers: actions that keep their last command instead of stopping.
        last_action, latent_age, chunk_index: whether the head is told so.
        max_latent_age_s, max_state_age_s: what is older stops the robot.
        blend_s: how long the head is led from one latent to the next, 0 to max_latent_age_s.
        rate_hz: 50 to 1000.
        early_wake_s: how long before a deadline the thread wakes, rehearses and spins; 0 to half
            a period.
        priority: 1 to 99 for SCHED_FIFO, 0 for the ordinary scheduler.
        cpu: the only core to run on.
        lock_memory: mlockall, for the whole process.
    """

    def __init__(
        self,
        weights: dict[str, NDArray[np.float32]],
        *,
        precision: Literal["f32", "bf16", "int8"] = "f32",
        calibration: dict[str, NDArray[np.float32]] | None = None,
        latent: int,
        state_mean: Sequence[float],
        state_std: Sequence[float],
        action_mean: Sequence[float],
        action_std: Sequence[float],
        action_low: Sequence[float],
        action_high: Sequence[float],
        action_stop: Sequence[float],
        holds: Sequence[tuple[int, int]] = (),
        grippers: Sequence[int] = (),
        last_action: bool = True,
        latent_age: bool = True,
        chunk_index: bool = False,
        max_latent_age_s: float,
        max_state_age_s: float,
        blend_s: float = 0.0,
        rate_hz: float,
        early_wake_s: float,
        priority: int = 0,
        cpu: int | None = None,
        lock_memory: bool = False,
    ) -> None: ...
    @property
    def running(self) -> bool: ...
    def start(self) -> None:
        """Begin to tick, one period from now.

        Raises:
            ValueError: an input that was set before is not finite.
            RuntimeError: it runs already, or the operating system refused an option.
        """

    def stop(self) -> None:
        """End within a period; the last command is the stop action. RuntimeError if not running."""

    def set_latent(self, values: NDArray[np.float32], seen_at_s: float) -> None:
        """``values`` contiguous float32 [latent]; copied."""

    def set_observation(self, state: NDArray[np.float32], seen_at_s: float) -> None:
        """``state`` contiguous float32 [s]; copied."""

    def latest_action(self) -> ControlCommand: ...
    def stats(self) -> _LoopStats: ...
    def step(self, now_s: float) -> ControlCommand:
        """One tick in the caller's thread, at a time of its own; RuntimeError while running."""

    def reset(self, now_s: float) -> None:
        """Forget the inputs and the last action; RuntimeError while running."""

def histogram_ends() -> NDArray[np.int64]:
    """The first nanosecond beyond each bucket of `ControlLoop.stats`, int64 [buckets]."""

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

def nv12_to_rgb(
    image: NDArray[np.uint8],
    *,
    standard: Literal["bt601", "bt709"] = "bt601",
    range: Literal["limited", "full"] = "limited",
) -> NDArray[np.uint8]:
    """NV12, as cameras and video decoders give it, to pixels.

    Args:
        image: uint8 [height * 3 / 2, width], height and width even: luma, then u and v in turns.
        standard: which primaries; most cameras mean "bt601", most HD video "bt709".
        range: "limited" where black is 16 and white 235, "full" where they are 0 and 255.

    Returns:
        uint8 [height, width, 3].
    """

class CudaPreprocessor:
    """`preprocess_frame` on the GPU, bound to one size of frame and one of planes.

    The same bits; "float16" planes are those rounded once more, to the nearest, ties to even. One
    call at a time: a second thread gets a RuntimeError.

    Args:
        source_height, source_width: of the frames, 1 to 16384; even for "nv12".
        height, width: of the planes, 1 to 16384.
        mean, std: as `preprocess_frame` takes them.
        pixels: "rgb" and "bgr" are uint8 [h, w, 3], "nv12" is uint8 [h * 3 / 2, w].
        planes: dtype of the result [3, height, width]: red, green, blue.
        standard, range: of "nv12", as `nv12_to_rgb` takes them.
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
        pixels: Literal["rgb", "bgr", "nv12"] = "rgb",
        planes: Literal["float32", "float16"] = "float32",
        standard: Literal["bt601", "bt709"] = "bt601",
        range: Literal["limited", "full"] = "limited",
    ) -> None: ...
    def run(self, frame: NDArray[np.uint8]) -> NDArray[np.float32] | NDArray[np.float16]:
        """One frame in host memory to planes in host memory."""

    def bind(
        self, frame: NDArray[np.uint8], planes: NDArray[np.float32] | NDArray[np.float16]
    ) -> Callable[[], None]:
        """A function that turns what ``frame`` holds by then into ``planes``, both contiguous."""

    def enqueue(
        self,
        frame: int,
        planes: int,
        *,
        pitch: int | None = None,
        chroma: int | None = None,
        stream: int = 0,
    ) -> None:
        """Between buffers on the GPU, for an engine that reads its input there; returns at once.

        Calls share scratch memory, so all calls of one preprocessor must use one stream, which
        lives until they are done; `run` and bound functions wait for what was queued there.

        Args:
            frame: address of the pixels, or of NV12's luma.
            planes: address of the result, a multiple of its values' size.
            pitch: bytes from one row to the next; by default rows follow without a gap.
            chroma: address of NV12's chroma; by default behind the luma.
            stream: a cudaStream_t; 0 is the default stream.
        """
