"""What is wrong with a bundle: all of it, where loading would stop at the first."""

from __future__ import annotations

from pathlib import Path

from lapa_edge.artifact import MANIFEST, Bundle, check_file, read_manifest
from lapa_edge.doctor.engines import check_engines
from lapa_edge.doctor.finding import Finding, Status
from lapa_edge.errors import LapaError
from lapa_edge.runtime.backends.sidecar import Host
from lapa_edge.runtime.head import NativeHead
from lapa_edge.runtime.mark import COMPARED, MARK, Mark, changed, read_mark
from lapa_edge.spec import check_spec

SECTION = "bundle"
COPY_AGAIN = "copy the bundle again, whole, or export it again from its run"
EXPORT_AGAIN = "export it again from its run: lapa-export RUN"


def check_bundle(root: Path, host: Host | None = None) -> list[Finding]:
    """Manifest, every file, the mark of parity, what runs by default, and the engines.

    Args:
        root: the bundle's directory.
        host: the machine its engines are for; None where there is no TensorRT.
    """
    try:
        manifest = read_manifest(root)
    except LapaError as error:
        return [_failed(MANIFEST, error, COPY_AGAIN)]
    bundle = Bundle(root, manifest)
    words = f"schema {manifest.schema_version}, {len(manifest.files)} files"
    found = [_finding(MANIFEST, "ok", words)]
    broken = {}
    for name, entry in manifest.files.items():
        try:
            check_file(root, name, entry)
        except LapaError as error:
            broken[name] = _failed(name, error, COPY_AGAIN)
    found += broken.values() or [_finding("files", "ok", "all there, and as they were written")]
    found += _strangers(bundle)
    try:
        check_spec(manifest.spec)
    except LapaError as error:
        found.append(_failed("spec", error, EXPORT_AGAIN))
    if not any(name == MARK for name in broken):
        found += _mark(bundle)
    found += [_loads(bundle, name) for name in _graphs(bundle) if name not in broken]
    if "weights.safetensors" not in broken:
        found.append(_head(bundle))
    return found + check_engines(bundle, set(broken), host)


def _finding(name: str, status: Status, found: str, remedy: str = "") -> Finding:
    return Finding(section=SECTION, name=name, status=status, found=found, remedy=remedy)


def _failed(name: str, error: LapaError, remedy: str) -> Finding:
    """A refusal as a finding: its own remedy where it has one."""
    _, problem, fix = error.args
    return _finding(name, "fail", problem, fix or remedy)


def _strangers(bundle: Bundle) -> list[Finding]:
    listed = {MANIFEST, *bundle.manifest.files}
    there = {p.relative_to(bundle.root).as_posix() for p in bundle.root.rglob("*") if p.is_file()}
    return [
        _finding(name, "warn", "not in the manifest: nobody vouches for it", "delete it")
        for name in sorted(there - listed)
    ]


def _passed(mark: Mark) -> Finding:
    if mark.on_noise:
        words = "passed on random frames only, which no camera takes"
        return _finding("parity", "warn", words, f"{EXPORT_AGAIN} --data DATASET")
    return _finding("parity", "ok", "passed; see VERIFICATION.md")


def _mark(bundle: Bundle) -> list[Finding]:
    try:
        mark = read_mark(bundle)
    except LapaError as error:
        return [_failed(MARK, error, EXPORT_AGAIN)]
    if mark is None:
        words = "never compared with the trained agent"
        return [_finding("parity", "warn", words, EXPORT_AGAIN)]
    anew = f"lapa-export {bundle.root} --steps verify"
    if mark.failures:
        return [_finding("parity", "fail", f"failed: {'; '.join(mark.failures)}", EXPORT_AGAIN)]
    found = [
        _finding(name, "fail", "exchanged since it was compared with the trained agent", anew)
        for name in COMPARED
        if changed(bundle, mark, name)
    ] or [_passed(mark)]
    for name, graph in mark.graphs.items():
        if graph.failures:
            found.append(_finding(name, "fail", f"parity: {'; '.join(graph.failures)}", anew))
    for precision, broken in mark.unfit.items():
        words = f"loses too much ({'; '.join(broken)}); the runtime refuses it"
        found.append(_finding(f"head in {precision}", "warn", words, "run the head in f32"))
    for name, why in mark.not_run.items():
        found.append(_finding(name, "info", f"never compared: {why}"))
    return found


def _graphs(bundle: Bundle) -> list[str]:
    return sorted(name for name in bundle.manifest.files if name.endswith(".onnx"))


def _loads(bundle: Bundle, name: str) -> Finding:
    from lapa_edge.runtime.backends.onnx_graph import OnnxGraph

    try:
        graph = OnnxGraph(bundle.path(name))
    except LapaError as error:
        if name in COMPARED:
            return _failed(name, error, EXPORT_AGAIN)
        words = f"ONNX Runtime here does not run it: {error.args[1]}"
        return _finding(name, "warn", words, "run policy.onnx here, or an engine built from it")
    except ImportError as error:
        return _finding(name, "fail", str(error), "pip install onnxruntime")
    dynamic = [
        x for x, (shape, _) in graph.inputs.items() if not all(type(n) is int for n in shape)
    ]
    if dynamic:
        words = f"input {', '.join(dynamic)} has a dynamic shape"
        return _finding(name, "fail", words, EXPORT_AGAIN)
    return _finding(name, "ok", "loads")


def _head(bundle: Bundle) -> Finding:
    try:
        NativeHead(bundle)
    except LapaError as error:
        return _failed("native head", error, EXPORT_AGAIN)
    return _finding("native head", "ok", "loads")
