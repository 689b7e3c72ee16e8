"""Everything in a bundle that computes, against the trained agent; what a robot may trust.

    reference = build_reference(config, agent, observations)   # export.reference: needs torch
    report = verify(bundle, reference)                         # no torch: on a robot as well
    bundle = record_verification(bundle, report, reference)    # refuses a report that failed

`verify` compares, by the names in the manifest:

    policy.onnx, action_head.onnx, text_encoder.onnx, weights.safetensors   the bundle as it runs
    policy.PRECISION.onnx, action_head.PRECISION.onnx                       fp16, bf16, int8, fp8
    engines/TARGET/*.engine    by their sidecars' ``onnx``; those that cannot run here say why

`record_verification` adds ``parity.json``, ``VERIFICATION.md`` and, where the reference is new,
``verification.safetensors``: the observations and PyTorch's answers to them, so that engines built
later, on the robot, are held against PyTorch without torch. There `verify(bundle)` is enough.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

import msgspec

from lapa_edge.artifact import Bundle, extend_bundle
from lapa_edge.errors import BundleError, LapaError, MissingDependencyError
from lapa_edge.export.limits import PRECISIONS, Precision
from lapa_edge.export.parity import (
    PARITY,
    GraphReport,
    ParityReport,
    measure_bundle,
    measure_head,
    measure_policy,
)
from lapa_edge.export.recorded import RECORDED, Reference, encode_reference, read_reference
from lapa_edge.export.slow_graphs import FIRST, EvaluatedGraph, open_unfused
from lapa_edge.export.verification_page import render
from lapa_edge.runtime.backends.graph import Graph
from lapa_edge.runtime.backends.onnx_graph import OnnxGraph
from lapa_edge.runtime.backends.opening import open_engine

PAGE = "VERIFICATION.md"
ON_THE_ROBOT = "where it runs, lapa-export BUNDLE --steps verify compares it"

logger = logging.getLogger(__name__)

OpenEngine = Callable[[Bundle, str], Graph]
"""Bundle and the engine's file name to a graph that runs; `LapaError` says why it cannot."""


def verify(
    bundle: Bundle, reference: Reference | None = None, open_engine: OpenEngine | None = None
) -> ParityReport:
    """What was compared and how far apart it was; `report.passed`, `report.failures`.

    Args:
        bundle: its hashes verified; a mark it carries already does not count.
        reference: PyTorch's answers; the ones in the bundle where not given.
        open_engine: what runs engines; the robot's own backend where not given.

    Raises:
        BundleError: no reference anywhere, a shape that differs, a value that is not finite.
    """
    bundle = unmarked(bundle)
    reference = reference or read_reference(bundle)
    report = measure_bundle(bundle, reference)
    graphs: dict[str, GraphReport] = {}
    not_run: dict[str, str] = {}
    for name in sorted(bundle.manifest.files):
        role = PurePosixPath(name).name.split(".")[0]
        if role not in _MEASURES or name in ("policy.onnx", "action_head.onnx"):
            continue
        if not name.endswith((".onnx", ".engine")):
            continue
        try:
            opened = _open(bundle, name, open_engine or _open_engine)
        except LapaError as reason:
            # Most machines have no GPU. A remedy is left out, and a thing that is a file, too: they
            # name this bundle's place while it is put together.
            thing, problem, _ = reason.args
            missing = isinstance(reason, MissingDependencyError)
            not_run[name] = f"{thing}: {problem}" if missing else problem
            logger.warning("%s is not compared here: %s; %s", name, not_run[name], ON_THE_ROBOT)
            continue
        shown, words, count = reference, f"{name}, {opened.runs_on}", len(reference.observations)
        if opened.at_most is not None and opened.at_most < count:
            words += f", the first {opened.at_most} of {count} observations"
            shown = reference.first(opened.at_most)
        found = _MEASURES[role](bundle, shown, opened.graph, opened.precision, words)
        graphs[name] = msgspec.structs.replace(found, slow=opened.slow)
    failures = [f"{name}: {text}" for name, each in graphs.items() for text in each.failures]
    return msgspec.structs.replace(
        report, graphs=graphs, not_run=not_run, failures=report.failures + failures
    )


def check_verified(bundle: Bundle, report: ParityReport) -> None:
    """Raise `BundleError` for a report that failed."""
    if not report.passed:
        raise BundleError(
            f"parity of {bundle.root.name}",
            f"it does not do what the trained agent does: {'; '.join(report.failures)} "
            f"({report.source})",
            "nothing in it is marked good; leave out a precision that failed, or export it again",
        )


def record_verification(
    bundle: Bundle, report: ParityReport, reference: Reference | None = None
) -> Bundle:
    """The bundle with ``parity.json`` and ``VERIFICATION.md``; with `reference`, that as well.

    Raises:
        BundleError: the report failed. A bundle that was marked good before carries the failed
            report from now on, so that the runtime refuses it.
    """
    files = {
        PARITY: msgspec.json.format(msgspec.json.encode(report), indent=1),
        PAGE: render(report, bundle.root.name).encode(),
    }
    if reference is not None:
        files[RECORDED] = encode_reference(reference, bundle.spec)
    if report.passed or PARITY in bundle.manifest.files:
        bundle = extend_bundle(bundle, files)
    check_verified(bundle, report)
    return bundle


def same_work(one: Bundle, other: Bundle) -> bool:
    """Whether two bundles hold the same files but for the marks of their verification."""
    return unmarked(one).manifest.files == unmarked(other).manifest.files


_MEASURES = {"policy": measure_policy, "action_head": measure_head}


def unmarked(bundle: Bundle) -> Bundle:
    """The bundle as one that nobody compared yet: a failed one must run to be compared again."""
    marks = (PARITY, PAGE)
    files = {name: entry for name, entry in bundle.manifest.files.items() if name not in marks}
    return Bundle(bundle.root, msgspec.structs.replace(bundle.manifest, files=files))


@dataclass(frozen=True)
class _Opened:
    """A graph or engine beside the default ones, its precision, and what runs it."""

    precision: Precision
    graph: Graph
    runs_on: str
    slow: bool = False
    at_most: int | None = None


def _open(bundle: Bundle, name: str, open_engine: OpenEngine) -> _Opened:
    if name.endswith(".engine"):
        return _Opened(_engine_precision(bundle, name), open_engine(bundle, name), "TensorRT")
    precision, path = _precision_of(name), bundle.path(name)
    try:
        return _Opened(precision, OnnxGraph(path), "ONNX Runtime, CPU")
    except BundleError:
        if precision == "fp8":
            return _Opened(precision, open_unfused(path), "ONNX Runtime unfused, CPU", slow=True)
        if precision == "bf16":
            words = "ONNX's reference evaluator, CPU"
            return _Opened(precision, EvaluatedGraph(path), words, slow=True, at_most=FIRST)
        raise


def _precision_of(name: str) -> Precision:
    """Of ``policy.int8.onnx`` and the like; without a precision in its name, fp32."""
    parts = PurePosixPath(name).name.split(".")
    for precision in PRECISIONS:
        if precision in parts:
            return precision
    if len(parts) == 2:
        return "fp32"
    raise BundleError(name, f"expected policy.PRECISION.onnx with one of {', '.join(PRECISIONS)}")


class _EngineSource(msgspec.Struct):
    """What is read of an engine's sidecar here."""

    onnx: str


def _engine_precision(bundle: Bundle, name: str) -> Precision:
    """Of the graph it was built from, by its sidecar."""
    try:
        raw = bundle.path(f"{name}.json").read_bytes()
        return _precision_of(msgspec.json.decode(raw, type=_EngineSource).onnx)
    except msgspec.MsgspecError as error:
        raise BundleError(name, f"its sidecar is damaged ({error})", "build it again") from error


def _open_engine(bundle: Bundle, name: str) -> Graph:
    path = PurePosixPath(name)
    return open_engine(bundle, path.parent.name, path.stem)
