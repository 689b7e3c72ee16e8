"""What happens once: how long until the first command, and how much memory it takes."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import msgspec

from lapa_edge.artifact import Bundle, load_bundle
from lapa_edge.errors import LapaError
from lapa_edge.runtime.backends.cuda_driver import CudaDriver
from lapa_edge.runtime.profile.pipeline import Pipeline
from lapa_edge.runtime.profiling_plan import Choice


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """From a bundle's path to the robot's first command, in milliseconds.

    Attributes:
        verify_ms: reading the bundle and its hashes; open_ms: graphs, engines and weights.
        first_ms: the first frame's way to a command, the one that a single cold call would report.
    """

    verify_ms: float
    open_ms: float
    first_ms: float


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Of this process, MiB: before the bundle was opened, with it, and at most.

    `gpu_mib` is what opening and running it took of the GPU's memory, the CUDA context apart; None
    where the policy runs on the CPU, or the driver does not tell.
    """

    before_mib: float
    opened_mib: float
    peak_mib: float
    gpu_mib: float | None = None


def start_up(root: Path, choice: Choice) -> tuple[Bundle, Pipeline, Start]:
    """Open a bundle the way a robot does, and run it once."""
    began = time.perf_counter()
    bundle = load_bundle(root)
    verified = time.perf_counter()
    pipeline = Pipeline(bundle, choice)
    opened = time.perf_counter()
    pipeline.run()
    ended = time.perf_counter()
    start = Start(
        verify_ms=1e3 * (verified - began),
        open_ms=1e3 * (opened - verified),
        first_ms=1e3 * (ended - opened),
    )
    return bundle, pipeline, start


def gpu_used_mib(choice: Choice) -> float | None:
    """What of the GPU's memory is taken, by whomever; None where the policy runs elsewhere."""
    if choice.backend != "tensorrt" and choice.device != "cuda":
        return None
    try:
        return CudaDriver().used_bytes() / 2**20
    except LapaError:  # opening the bundle says what is wrong
        return None


def resident_mib() -> float:
    """What of this process lies in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def peak_mib() -> float:
    """The most that ever did."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
