"""The gate: does the bundle on the robot say what the trained agent says?

PyTorch in float32 (`export.reference`) against the bundle through the robot's own runtime: native
preprocessing, ``policy.onnx`` and every action head; then against each graph in another precision
and each engine that runs here. `ParityReport` is ``parity.json`` as it stands.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import msgspec

from lapa_edge.artifact import Bundle
from lapa_edge.export.answers import GraphHead, ask_bundle, bundle_heads
from lapa_edge.export.comparison import (
    Mismatch,
    check_comparable,
    compare_actions,
    compare_head,
    compare_looks,
    find_mismatches,
)
from lapa_edge.export.limits import LIMITS, Limit, Precision, broken_limits
from lapa_edge.export.recorded import Reference
from lapa_edge.runtime.backends.graph import Graph

PARITY = "parity.json"
FEWER_BITS = ("bf16", "int8")  # of the native head
# Below this a floor says nothing: one unit in the last place of a float32 of order 1.
_SMALLEST_FLOOR = 1.2e-7


class GraphReport(msgspec.Struct, frozen=True, kw_only=True):
    """One graph or engine against PyTorch.

    Attributes:
        precision: of its table of limits.
        runs_on: what ran it.
        measured: by the names of `export.limits`; actions through the native head in float32.
        mismatches: every code that differs.
        failures: broken limits, in words.
        slow: whether it was run in another way than a robot can, see `export.slow_graphs`.
    """

    precision: Precision
    runs_on: str
    measured: dict[str, float]
    mismatches: list[Mismatch]
    failures: list[str]
    slow: bool = False


class Drive(msgspec.Struct, frozen=True, kw_only=True):
    """Success with one policy graph; rates in [0, 1], intervals 95 %.

    `only_here` and `only_pytorch` are episodes that one of the two alone succeeded in; the
    difference is this graph less PyTorch.
    """

    successes: int
    interval: tuple[float, float]
    only_here: int
    only_pytorch: int
    difference: float
    difference_interval: tuple[float, float]


class ClosedLoop(msgspec.Struct, frozen=True, kw_only=True):
    """Success of the bundle and of PyTorch over the same tasks and seeds.

    Attributes:
        environment, tasks, seeds: what was driven; `seeds` of every task.
        episodes: of each side.
        pytorch, pytorch_interval: its successes, and Wilson's interval of their rate.
        graphs: the bundle's, by the policy graph that looked.
        failures: why this forbids the bundle, in words.
    """

    environment: str
    tasks: list[str]
    seeds: list[int]
    episodes: int
    pytorch: int
    pytorch_interval: tuple[float, float]
    graphs: dict[str, Drive]
    failures: list[str]


class ParityReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was compared, on what, and how far apart it was; ``parity.json`` as it stands.

    Attributes:
        source, observations, observations_sha256: what both sides were shown.
        noise_floor: PyTorch against itself with reordered sums.
        measured: of the bundle as it runs by default, in float32; `limits` beside it.
        mismatches: codes that differ there.
        graphs: every other graph, and every engine that ran, by file.
        not_run: why an engine or graph was not compared, by file; none of these is marked good.
        closed_loop: where it was asked for.
        failures: broken limits that forbid the bundle.
        unfit: those that forbid one precision of its native head, by that precision.
        files: SHA-256 of every file this report speaks of.
        versions: of what it was computed with.
    """

    source: str
    observations: int
    observations_sha256: str = ""
    noise_floor: dict[str, float] = {}
    measured: dict[str, float]
    mismatches: list[Mismatch]
    limits: dict[str, Limit]
    graphs: dict[str, GraphReport] = {}
    not_run: dict[str, str] = {}
    closed_loop: ClosedLoop | None = None
    failures: list[str]
    unfit: dict[str, list[str]]
    files: dict[str, str]
    versions: dict[str, str]

    @property
    def passed(self) -> bool:
        """Whether every measured value is within its limit."""
        return not self.failures


def measure_bundle(bundle: Bundle, reference: Reference) -> ParityReport:
    """The bundle as it runs by default: ``policy.onnx``, and the head in every form.

    Raises:
        BundleError: a shape differs, or a value is not finite.
    """
    expected = reference.answers
    got = ask_bundle(bundle, reference.observations, bundle_heads(bundle))
    check_comparable(f"parity of {bundle.root.name}", expected, got)
    measured = compare_looks(expected, got, reference.chained)
    failures = broken_limits("fp32", measured)
    limits = {name: LIMITS["fp32"][name] for name in measured}
    unfit: dict[str, list[str]] = {}
    for head, chunks in got.chunks.items():
        if head in FEWER_BITS:
            table = f"{head} head"
            differences = compare_actions(got.chunks["native"], chunks)
        else:
            table = "fp32"
            differences = _with_floor(compare_head(expected, got, head), reference)
        prefix = f"{head}_head_"
        measured |= {prefix + name: value for name, value in differences.items()}
        limits |= {prefix + name: LIMITS[table][name] for name in differences}
        if broken := broken_limits(table, differences, prefix):
            if head in FEWER_BITS:
                unfit[head] = broken
            else:
                failures += broken
    return ParityReport(
        source=reference.observations.source,
        observations=len(reference.observations),
        observations_sha256=reference.sha256,
        noise_floor=reference.noise_floor,
        measured=measured,
        mismatches=find_mismatches(expected, got, reference.chained),
        limits=limits,
        failures=failures,
        unfit=unfit,
        files={name: entry.sha256 for name, entry in bundle.manifest.files.items()},
        versions={**reference.versions, **_versions()},
    )


def measure_policy(
    bundle: Bundle, reference: Reference, graph: Graph, precision: Precision, runs_on: str
) -> GraphReport:
    """A policy graph or engine in the place of ``policy.onnx``, before the native head."""
    networks = {"native": bundle_heads(bundle)["native"]}
    got = ask_bundle(bundle, reference.observations, networks, policy_graph=graph)
    check_comparable(f"parity of {bundle.root.name}: {runs_on}", reference.answers, got)
    measured = compare_looks(reference.answers, got, reference.chained)
    measured.pop("image_max_abs", None)  # the graph does not see to it
    measured |= _with_floor(compare_head(reference.answers, got, "native"), reference)
    wrong = find_mismatches(reference.answers, got, reference.chained)
    return _graph_report(precision, runs_on, measured, wrong)


def measure_head(
    bundle: Bundle, reference: Reference, graph: Graph, precision: Precision, runs_on: str
) -> GraphReport:
    """An action head's graph or engine behind ``policy.onnx``."""
    got = ask_bundle(bundle, reference.observations, {"graph": GraphHead(graph)})
    check_comparable(f"parity of {bundle.root.name}: {runs_on}", reference.answers, got)
    measured = _with_floor(compare_head(reference.answers, got, "graph"), reference)
    return _graph_report(precision, runs_on, measured, [])


def _graph_report(
    precision: Precision, runs_on: str, measured: dict[str, float], wrong: list[Mismatch]
) -> GraphReport:
    return GraphReport(
        precision=precision,
        runs_on=runs_on,
        measured=measured,
        mismatches=wrong,
        failures=broken_limits(precision, measured),
    )


def _with_floor(differences: dict[str, float], reference: Reference) -> dict[str, float]:
    """The differences, and how many noise floors their relative RMS is."""
    floor = max(reference.noise_floor["relative_rms"], _SMALLEST_FLOOR)
    return {**differences, "over_floor": differences["relative_rms"] / floor}


def _versions() -> dict[str, str]:
    found = {}
    for name in ("onnxruntime", "onnxruntime-gpu", "tensorrt", "tensorrt-rtx-cu13-libs", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
