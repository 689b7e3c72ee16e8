"""``benchmark.json``: how long each policy graph and engine of a bundle takes on this machine.

Frame to command, part by part, as ``lapa-profile`` measures it; what does not run here says why.
"""

from __future__ import annotations

from pathlib import PurePosixPath

import msgspec

from lapa_edge.artifact import Bundle
from lapa_edge.errors import BundleError, LapaError
from lapa_edge.runtime.backends.opening import open_engine
from lapa_edge.runtime.profile import Latency, Machine, describe_machine, measure_latency
from lapa_edge.runtime.profiling_plan import Choice

NO_ENGINE = "none in this bundle; lapa-export BUNDLE --target trt --board BOARD builds them"


class Benchmark(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured, by graph or engine: latency by part, or why there is none."""

    machine: Machine
    latency: dict[str, dict[str, Latency]]
    not_run: dict[str, str]


def measure_bundle(bundle: Bundle) -> Benchmark:
    """Every graph of the policy that the bundle holds, on the CPU, and every engine of it."""
    latency: dict[str, dict[str, Latency]] = {}
    not_run: dict[str, str] = {}
    names = sorted(bundle.manifest.files)
    graphs = [name for name in names if PurePosixPath(name).match("policy*.onnx")]
    engines = [name for name in names if PurePosixPath(name).match("engines/*/policy*.engine")]
    if not engines:
        not_run["engines"] = NO_ENGINE
    for name in [*graphs, *engines]:
        path = PurePosixPath(name)
        try:
            if name in engines:
                engine = open_engine(bundle, path.parent.name, path.stem)
                latency[name] = measure_latency(bundle, graph=engine)
            else:
                latency[name] = measure_latency(bundle, choice=Choice(graph=path.stem))
        except BundleError as reason:  # its place and remedy name the bundle while it is made
            not_run[name] = str(reason.args[1])
        except LapaError as reason:
            not_run[name] = str(reason)
    return Benchmark(machine=describe_machine(), latency=latency, not_run=not_run)
