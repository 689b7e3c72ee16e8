"""The mark that an export leaves in a bundle: what was compared with PyTorch, and how it went.

``parity.json`` is written by `lapa_edge.export.verification`; the robot reads of it what it must
know. A bundle without one was never compared: it runs, and lapa-doctor says so.
"""

from __future__ import annotations

import logging

import msgspec

from lapa_edge.artifact import Bundle
from lapa_edge.errors import BundleError

log = logging.getLogger(__name__)

MARK = "parity.json"
NO_DATA = "no data was given"  # how the source of random observations ends
# What a robot computes with by default; other graphs and engines have reports of their own.
COMPARED = ("policy.onnx", "action_head.onnx", "text_encoder.onnx", "weights.safetensors")


class GraphMark(msgspec.Struct, frozen=True):
    """How one other graph or engine did."""

    failures: list[str] = []


class Mark(msgspec.Struct, frozen=True):
    """What the robot must know of ``parity.json``; the fields of `export.parity.ParityReport`."""

    source: str = ""
    failures: list[str] = []
    unfit: dict[str, list[str]] = {}
    files: dict[str, str] = {}
    graphs: dict[str, GraphMark] = {}
    not_run: dict[str, str] = {}

    @property
    def on_noise(self) -> bool:
        """Whether it was compared on random frames only, which no camera takes."""
        return self.source.endswith(NO_DATA)


def read_mark(bundle: Bundle) -> Mark | None:
    """The bundle's mark; None where nobody compared it.

    Raises:
        BundleError: it does not parse.
    """
    if MARK not in bundle.manifest.files:
        return None
    try:
        return msgspec.json.decode(bundle.path(MARK).read_bytes(), type=Mark)
    except msgspec.MsgspecError as error:
        fix = "export the bundle again from its run"
        raise BundleError(f"bundle {bundle.root}", f"{MARK} is damaged: {error}", fix) from error


def check_mark(bundle: Bundle) -> None:
    """Refuse a bundle that was compared with its agent and failed, or was changed since.

    Raises:
        BundleError: says which, and what to do.
    """
    mark = read_mark(bundle)
    if mark is None:
        return
    if mark.failures:
        raise BundleError(
            f"bundle {bundle.root}",
            f"its parity failed: {'; '.join(mark.failures)}",
            "it does not do what was trained; export it again from its run, with lapa-export RUN",
        )
    for name in COMPARED:
        if changed(bundle, mark, name):
            raise BundleError(
                f"bundle {bundle.root}",
                f"{name} is not the file that was compared with the trained agent",
                f"compare it anew: lapa-export {bundle.root} --steps verify",
            )


def changed(bundle: Bundle, mark: Mark, name: str) -> bool:
    """Whether a file of the bundle is another than the one the mark speaks of."""
    entry, compared = bundle.manifest.files.get(name), mark.files.get(name)
    return entry is not None and compared is not None and entry.sha256 != compared


def check_graph_mark(bundle: Bundle, name: str) -> None:
    """Refuse a graph or engine beside the default ones that failed, or was changed since.

    One that was never compared, such as an engine just built, is warned of.

    Raises:
        BundleError: says which, and what to do.
    """
    mark = read_mark(bundle) or Mark()
    compare = f"compare it on this machine: lapa-export {bundle.root} --steps verify"
    found = mark.graphs.get(name)
    if found is None:
        log.warning("%s was never compared with the trained agent; %s", name, compare)
    elif found.failures:
        problem = f"its parity failed: {'; '.join(found.failures)}"
        raise BundleError(name, problem, "run the bundle in float32")
    elif changed(bundle, mark, name):
        raise BundleError(name, "it is not the file that was compared", compare)


def check_precision(bundle: Bundle, precision: str) -> None:
    """Raise `BundleError` where the native head loses too much in this precision, or all failed."""
    check_mark(bundle)
    mark = read_mark(bundle)
    if mark is not None and (broken := mark.unfit.get(precision)):
        raise BundleError(
            f"bundle {bundle.root}",
            f"its action head loses too much in {precision}: {'; '.join(broken)}",
            'run it in "f32"',
        )
