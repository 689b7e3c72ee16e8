"""Measure the CUDA kernels against torch on the same GPU.

    python tests/benchmarks/cuda.py --json cuda.json

Every candidate's result is compared with our CPU kernel's before anything is timed. Times are of
whole calls, from numbers in host memory to numbers in host memory, candidates taking turns. Without
a GPU it says "unmeasured" and succeeds: there is nothing that could have failed.
"""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from flags import STOPPED, check_json, check_whole

from lapa_edge import _native
from lapa_edge.cli.command import run_command

if TYPE_CHECKING:
    import torch

DESCRIPTION = """Measure the CUDA kernels against torch eager, CUDA graphs and torch.compile.

Interleaved rounds, p50 and p99 of whole calls. Says "unmeasured" where no CUDA device answers."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class CudaFlags:
    """Flags of cuda.py."""

    rounds: int = 300
    """Measured rounds; every candidate is called once in each."""
    warm_up: int = 30
    """Calls of each candidate before that."""
    compile: bool = False
    """Also torch.compile(mode="reduce-overhead"), which takes a minute to begin."""
    json: Path | None = None
    """Also write the figures to this file; nothing is written by default."""


@dataclass(frozen=True)
class Candidate:
    """One way to compute what `expected` holds."""

    name: str
    call: Callable[[], np.ndarray]
    tolerance: float = 0.0
    """Largest difference from our CPU kernel, relative to its largest value; 0: the same bits."""


@dataclass(frozen=True)
class Contest:
    """Several candidates for one task."""

    task: str
    expected: np.ndarray
    candidates: list[Candidate]


@dataclass(frozen=True)
class Figure:
    """What one candidate took, microseconds."""

    task: str
    candidate: str
    p50_us: float
    p99_us: float


def main() -> int:
    """Entry point."""
    return run_command(benchmark, CudaFlags, "cuda.py", DESCRIPTION, stopped=STOPPED)


def benchmark(flags: CudaFlags) -> None:
    """Measure, print the tables, and write the JSON file where one is asked for."""
    check_whole("--rounds", flags.rounds, 1)
    check_whole("--warm-up", flags.warm_up, 0)
    check_json(flags.json)
    if not _native.cuda_available():
        print("no CUDA device answers: unmeasured")
        return
    import torch

    machine = f"{torch.cuda.get_device_name()} beside {platform.processor() or platform.machine()}"
    print(f"# {machine}, torch {torch.__version__}\n")
    figures: list[Figure] = []
    for build in (head_contest, wide_head_contest, code_contest, frame_contest):
        contest = build(flags)
        check_results(contest)
        measured = measure(contest, flags)
        print_table(contest.task, measured)
        figures += measured
    if flags.json:
        report = {"machine": machine, "torch": torch.__version__}
        flags.json.write_text(
            json.dumps(report | {"figures": [asdict(figure) for figure in figures]}, indent=2)
        )


def head_contest(flags: CudaFlags) -> Contest:
    """The smallest head: weights that fit into eight blocks."""
    return build_head_contest("head 256-256x1-56", 256, 56, 256, 1, flags)


def wide_head_contest(flags: CudaFlags) -> Contest:
    """A wide head: five megabytes of weights."""
    return build_head_contest("head 512-512x2-112", 512, 112, 512, 2, flags)


def build_head_contest(
    task: str, inputs: int, outputs: int, width: int, blocks: int, flags: CudaFlags
) -> Contest:
    """One observation: ours launched by a graph, ours resident, and torch."""
    weights = draw_weights(inputs, outputs, width, blocks)
    x = np.random.default_rng(1).normal(size=inputs).astype(np.float32)
    candidates = []
    for name, persistent in (("ours, graph", False), ("ours, persistent", True)):
        try:
            head = _native.ActionHead(weights, device="cuda", persistent=persistent)
        except ValueError as error:  # too large to stay in shared memory
            print(f"{task}: {name} unmeasured: {error}")
            continue
        candidates.append(Candidate(name, bind_head(head, x)))
    candidates += torch_heads(weights, blocks, x, flags)
    expected = _native.ActionHead(weights).forward(x[None])[0]
    return Contest(task, expected, candidates)


def bind_head(head: _native.ActionHead, x: np.ndarray) -> Callable[[], np.ndarray]:
    """A call of `head` on bound arrays."""
    out = np.empty(head.output_size, np.float32)
    step = head.bind(x, out).step

    def call() -> np.ndarray:
        step()
        return out

    return call


def torch_heads(
    weights: dict[str, np.ndarray], blocks: int, x: np.ndarray, flags: CudaFlags
) -> list[Candidate]:
    """The same network in torch: eager, captured, and compiled where asked for."""
    import torch
    from torch.nn import functional as F

    on_gpu = {name: torch.from_numpy(value).cuda() for name, value in weights.items()}

    def dense(layer: str, value: torch.Tensor) -> torch.Tensor:
        return F.linear(value, on_gpu[f"{layer}.weight"], on_gpu[f"{layer}.bias"])

    def network(value: torch.Tensor) -> torch.Tensor:
        hidden = dense("input", value).relu()
        for block in range(blocks):
            raised = dense(f"blocks.{block}.up", hidden).relu()
            hidden = hidden + dense(f"blocks.{block}.down", raised)
        return dense("output", hidden)

    host = torch.from_numpy(x).pin_memory()
    variants = {
        "torch, eager": through(network, host),
        "torch, CUDA graph": captured(network, host),
    }
    if flags.compile:
        compiled = torch.compile(network, mode="reduce-overhead")
        variants["torch, compiled"] = through(compiled, host)
    # Another order of additions, over at most 512 inputs and six layers.
    return [Candidate(name, call, tolerance=1e-5) for name, call in variants.items()]


def through(
    network: Callable[[torch.Tensor], torch.Tensor], host: torch.Tensor
) -> Callable[[], np.ndarray]:
    """Pinned memory to the GPU, through the network, and back."""
    import torch

    @torch.inference_mode()
    def call() -> np.ndarray:
        return network(host.cuda(non_blocking=True)).cpu().numpy()

    return call


def captured(
    network: Callable[[torch.Tensor], torch.Tensor], host: torch.Tensor
) -> Callable[[], np.ndarray]:
    """Copy, network and copy back as one CUDA graph."""
    import torch

    with torch.inference_mode():
        on_gpu = host.cuda()
        result = network(on_gpu).cpu().pin_memory()
        side = torch.cuda.Stream()
        with torch.cuda.stream(side):
            for _ in range(3):
                network(on_gpu)
        side.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            on_gpu.copy_(host, non_blocking=True)
            result.copy_(network(on_gpu), non_blocking=True)

    def call() -> np.ndarray:
        graph.replay()
        torch.cuda.synchronize()
        return result.numpy()

    return call


def code_contest(flags: CudaFlags) -> Contest:
    """Four tokens against a codebook of 1024."""
    import torch

    rng = np.random.default_rng(2)
    x, codes = (rng.normal(size=(rows, 32)).astype(np.float32) for rows in (4, 1024))
    book = _native.Codebook(codes, device="cuda")
    on_gpu, host = torch.from_numpy(codes).cuda(), torch.from_numpy(x).pin_memory()

    def nearest(rows: torch.Tensor) -> torch.Tensor:
        return torch.cdist(rows, on_gpu, compute_mode="donot_use_mm_for_euclid_dist").argmin(dim=1)

    candidates = [
        Candidate("ours", lambda: book.nearest(x)),
        Candidate("torch.cdist", through(nearest, host)),
        Candidate("torch.cdist, CUDA graph", captured(nearest, host)),
        *faiss_candidates(x, codes),
    ]
    return Contest("codebook 4 of 1024 x 32", _native.nearest_code(x, codes), candidates)


def faiss_candidates(x: np.ndarray, codes: np.ndarray) -> list[Candidate]:
    """faiss on the GPU, where its GPU build is installed."""
    try:
        import faiss

        index = faiss.GpuIndexFlatL2(faiss.StandardGpuResources(), codes.shape[1])
    except (ImportError, AttributeError):
        print("faiss: unmeasured, no GPU build is installed")
        return []
    index.add(codes)
    return [Candidate("faiss", lambda: index.search(x, 1)[1][:, 0])]


def frame_contest(flags: CudaFlags) -> Contest:
    """A VGA frame to three planes of 224 x 224."""
    import torch
    from torch.nn import functional as F

    frame = np.random.default_rng(3).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    preprocessor = _native.CudaPreprocessor(480, 640, 224, 224, MEAN, STD)
    planes = np.empty((3, 224, 224), np.float32)
    step = preprocessor.bind(frame, planes)
    host = torch.from_numpy(frame).pin_memory()
    mean, std = (torch.tensor(each).cuda()[:, None, None] for each in (MEAN, STD))

    def ours() -> np.ndarray:
        step()
        return planes

    def preprocess(image: torch.Tensor) -> torch.Tensor:
        floats = image.permute(2, 0, 1)[None].float()
        small = F.interpolate(floats, (224, 224), mode="bilinear", antialias=True)[0]
        return (small / 255 - mean) / std

    expected = _native.preprocess_frame(frame, 224, 224, MEAN, STD)
    # torch rounds no weight and no pixel in between: within two of 255 levels.
    level = 2 / 255 / min(STD) / float(np.abs(expected).max())
    candidates = [
        Candidate("ours", ours),
        Candidate("torch, eager", through(preprocess, host), level),
        Candidate("torch, CUDA graph", captured(preprocess, host), level),
    ]
    return Contest("frame 640x480 to 3x224x224", expected, candidates)


def draw_weights(inputs: int, outputs: int, width: int, blocks: int) -> dict[str, np.ndarray]:
    """Random weights by name, scaled so that activations keep their size."""
    rng = np.random.default_rng(0)
    layers = {"input": (width, inputs), "output": (outputs, width)}
    for block in range(blocks):
        layers[f"blocks.{block}.up"] = layers[f"blocks.{block}.down"] = (width, width)
    weights = {}
    for name, (rows, columns) in layers.items():
        weights[f"{name}.weight"] = rng.normal(0, columns**-0.5, (rows, columns))
        weights[f"{name}.bias"] = rng.normal(0, 0.1, rows)
    return {name: value.astype(np.float32) for name, value in weights.items()}


def check_results(contest: Contest) -> None:
    """Compare every candidate with our CPU kernel.

    Raises:
        RuntimeError: one of them computes something else.
    """
    scale = float(np.abs(contest.expected).max())
    for candidate in contest.candidates:
        result = np.asarray(candidate.call()).reshape(contest.expected.shape)
        error = float(np.abs(result.astype(np.float64) - contest.expected).max()) / scale
        if not error <= candidate.tolerance:
            raise RuntimeError(
                f"{contest.task}, {candidate.name}: expected our CPU kernel's result within "
                f"{candidate.tolerance:g}, got a difference of {error:g}"
            )


def measure(contest: Contest, flags: CudaFlags) -> list[Figure]:
    """Every candidate once in each round, in an order that changes."""
    order = np.random.default_rng(4)
    times: dict[str, list[float]] = {candidate.name: [] for candidate in contest.candidates}
    for candidate in contest.candidates:
        for _ in range(flags.warm_up):
            candidate.call()
    for _ in range(flags.rounds):
        for index in order.permutation(len(contest.candidates)):
            candidate = contest.candidates[index]
            begin = time.perf_counter_ns()
            candidate.call()
            times[candidate.name].append((time.perf_counter_ns() - begin) / 1e3)
    return [
        Figure(
            contest.task,
            name,
            p50_us=statistics.median(samples),
            p99_us=float(np.quantile(samples, 0.99)),
        )
        for name, samples in times.items()
    ]


def print_table(task: str, figures: list[Figure]) -> None:
    """A Markdown table of one task."""
    print(f"\n| {task} | p50, us | p99, us |\n|---|---|---|")
    for figure in figures:
        print(f"| {figure.candidate} | {figure.p50_us:.1f} | {figure.p99_us:.1f} |")


if __name__ == "__main__":
    raise SystemExit(main())
