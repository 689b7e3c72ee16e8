"""The same two networks on everything that runs them here: PyTorch, ONNX Runtime, native, TensorRT.

    python export/compare_latency.py RUN --bundle RUN/bundle --repeats 500

All in one process, interleaved, one thread each, monotonic clock, after warm-up. Rows that this
machine cannot run are printed too, with the reason: a missing row would read as a missing idea.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from lapa_edge.artifact import Bundle, load_bundle
from lapa_edge.cli.command import run_command
from lapa_edge.errors import MissingDependencyError
from lapa_edge.export.tensorrt_api import find_builder, gpu_capability
from lapa_edge.runtime.backends.onnx_graph import OnnxGraph
from lapa_edge.runtime.head import NativeHead
from lapa_edge.runtime.profile import describe_machine, measure_parts
from lapa_edge.train.actions import read_agent
from lapa_edge.train.run_directory import RunDirectory

Row = tuple[str, str]  # network, what runs it
Part = Callable[[], object] | str  # a call to time, or the reason why there is none


@dataclass(frozen=True)
class CompareFlags:
    """Flags of compare_latency.py."""

    run: Annotated[Path, tyro.conf.Positional]
    """A finished run of lapa-train actions."""
    bundle: Path | None = None
    """Its bundle. Default: RUN/bundle."""
    repeats: int = 500
    """Measured rounds; every row runs once in each."""
    warm_up: int = 50
    """Rounds before them that are not counted."""


def compare(flags: CompareFlags) -> None:
    """Measure what runs here, and print every row."""
    bundle = load_bundle(flags.bundle or flags.run / "bundle")
    torch.set_num_threads(1)
    rows: dict[Row, Part] = {
        **torch_rows(flags.run, bundle),
        **runtime_rows(bundle),
        **tensorrt_rows(),
    }
    parts = {" / ".join(row): part for row, part in rows.items() if not isinstance(part, str)}
    logging.getLogger("lapa_edge").info("measuring %d rows, %d rounds", len(parts), flags.repeats)
    with torch.inference_mode():
        latency = measure_parts(parts, flags.repeats, flags.warm_up)
    table = Table(title=f"{flags.repeats} rounds, milliseconds, batch 1")
    for column in ("network", "on", "p50", "p99", "max", "unmeasured"):
        table.add_column(column, justify="right" if column in ("p50", "p99", "max") else "left")
    for row, part in sorted(rows.items(), reverse=True):
        if isinstance(part, str):
            table.add_row(*row, "-", "-", "-", part)
        else:
            x = latency[" / ".join(row)]
            table.add_row(*row, f"{x.p50_ms:.4f}", f"{x.p99_ms:.4f}", f"{x.max_ms:.4f}", "")
    machine = describe_machine()
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    versions = {**machine.versions, "torch": torch.__version__}
    console.print(
        f"{machine.cpu}, {machine.cores} cores, load {machine.load:.1f}, {machine.system}"
    )
    console.print(", ".join(f"{name} {number}" for name, number in versions.items()))


def torch_rows(run: Path, bundle: Bundle) -> dict[Row, Part]:
    """PyTorch as it comes, on the CPU and, where there is one, the GPU."""
    rows: dict[Row, Part] = {}
    for device, name in (("cpu", "torch eager, CPU"), ("cuda", "torch eager, GPU")):
        if device == "cuda" and not torch.cuda.is_available():
            reason = "no CUDA GPU answers torch"
            rows |= {("policy", name): reason, ("action head", name): reason}
            continue
        _, agent = read_agent(RunDirectory(run))
        agent.to(device)
        inputs = {
            key: torch.from_numpy(array).to(device) for key, array in random_inputs(bundle).items()
        }
        image_and_text = (inputs["image"], inputs["text"])
        rows["policy", name] = torch_part(agent.instructed.policy, image_and_text, device)
        rows["action head", name] = torch_part(agent.head, (inputs["x"],), device)
    return rows


def torch_part(
    module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], device: str
) -> Callable[[], None]:
    """One forward pass, to its end."""

    def part() -> None:
        module(*inputs)
        if device == "cuda":
            torch.cuda.synchronize()  # the call alone only queues the kernels

    return part


def runtime_rows(bundle: Bundle) -> dict[Row, Part]:
    """What the robot runs: ONNX Runtime, and the native kernel for the head."""

    inputs = random_inputs(bundle)
    policy = OnnxGraph(bundle.path("policy.onnx"))
    head = OnnxGraph(bundle.path("action_head.onnx"))
    native = NativeHead(bundle)
    x = inputs["x"][0]
    return {
        ("policy", "ONNX Runtime, CPU"): lambda: policy.run(
            image=inputs["image"], text=inputs["text"]
        ),
        ("action head", "ONNX Runtime, CPU"): lambda: head.run(x=inputs["x"]),
        ("action head", "native kernel, CPU"): lambda: native.forward(x),
    }


def tensorrt_rows() -> dict[Row, Part]:
    """TensorRT's rows, so far only with the reason why they are empty."""

    try:
        find_builder()
        reason = "no GPU answers"
    except MissingDependencyError:
        reason = "not installed"
    if gpu_capability():
        reason = "not run by this script yet; trtexec --loadEngine=FILE --useCudaGraph times it"
    return {("policy", "TensorRT"): reason, ("action head", "TensorRT"): reason}


def random_inputs(bundle: Bundle) -> dict[str, NDArray[np.float32]]:
    """``image [1, 3, h, w]``, ``text [1, text_dim]``, ``x [1, in]``; values do not change times."""

    spec, rng = bundle.spec, np.random.default_rng(0)
    shapes = {
        "image": (1, 3, spec.frame.height, spec.frame.width),
        "text": (1, spec.text.d),
        "x": (1, spec.head_input_dim),
    }
    return {name: rng.standard_normal(shape).astype("f4") for name, shape in shapes.items()}


def main() -> int:
    """Entry point."""
    description = "Time PyTorch, ONNX Runtime, the native kernel and TensorRT on the same networks."
    return run_command(compare, CompareFlags, "compare_latency.py", description)


if __name__ == "__main__":
    sys.exit(main())
