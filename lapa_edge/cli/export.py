"""``lapa-export``: a trained run to a bundle (``--target onnx``), a bundle to engines (``trt``)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from lapa_edge.cli.command import run_command
from lapa_edge.errors import ConfigError

if TYPE_CHECKING:
    from lapa_edge.artifact import Bundle
    from lapa_edge.export.parity import ParityReport

logger = logging.getLogger(__name__)

DESCRIPTION = """Turn a trained run into the bundle a robot runs, and a bundle into engines.

A bundle is compared with its run before it is published: what does not pass leaves no bundle."""


@dataclass(frozen=True)
class ExportFlags:
    """Flags of lapa-export."""

    source: Annotated[Path, tyro.conf.Positional]
    """onnx: a finished run of lapa-train actions. trt: a bundle, or such a run."""
    target: Literal["onnx", "trt"] = "onnx"
    """onnx: graphs and native weights, compared with the run. trt: TensorRT engines as well."""
    out: Path | None = None
    """The bundle's directory. Default: SOURCE/bundle for a run; a bundle is extended in place."""
    board: str = "orin-nano"
    """trt: what the engines are for: a file of export/boards by name, or a .toml of your own."""
    builder: Literal["auto", "tensorrt", "tensorrt-rtx"] = "auto"
    """trt: which TensorRT builds; auto takes the full one where it and a GPU are there."""
    data: Path | None = None
    """Dataset whose frames the run and its bundle are compared on. Default: random frames."""
    observations: int = 64
    """Moments the two are compared on."""
    blend_s: float | None = None
    """How long the robot leads the head from one latent to the next, seconds, 0 to the run's
    max_latent_age_s; 0 is at once. As the run was trained, unless given."""
    seed: int = 0
    """Seed of what is random in them."""


def main() -> int:
    """Entry point."""
    return run_command(export, ExportFlags, "lapa-export", DESCRIPTION)


def export(flags: ExportFlags) -> None:
    """Export what `source` is to what `target` asks for."""
    from lapa_edge.artifact import MANIFEST, load_bundle

    is_bundle = (flags.source / MANIFEST).is_file()
    if flags.target == "onnx" and is_bundle:
        raise ConfigError(
            f"source {flags.source}",
            "expected a finished run of lapa-train actions, got a bundle",
            "for engines add --target trt",
        )
    if is_bundle and flags.out not in (None, flags.source):
        raise ConfigError(
            "--out", "a bundle is extended in place", "copy it first, or leave --out away"
        )
    if is_bundle and flags.blend_s is not None:
        fix = "export the run again, or leave --blend-s away"
        raise ConfigError("--blend-s", "a bundle keeps what it was exported with", fix)
    bundle = load_bundle(flags.source) if is_bundle else export_run(flags)
    if flags.target == "trt":
        export_engines(flags, bundle)


def export_run(flags: ExportFlags) -> Bundle:
    """A finished run to a bundle that does the same."""
    from lapa_edge.export.bundle import check_place, export_checked_bundle
    from lapa_edge.export.observations import random_observations, read_observations
    from lapa_edge.train.actions import read_agent, with_blend
    from lapa_edge.train.run_directory import RunDirectory

    if flags.observations < 1:
        raise ConfigError("--observations", f"expected at least 1, got {flags.observations}")
    out = flags.out or flags.source / "bundle"
    check_place(out)
    config, agent = read_agent(RunDirectory(flags.source))
    if flags.blend_s is not None:
        config = with_blend(config, flags.blend_s)
    count, seed = flags.observations, flags.seed
    if flags.data:
        observations = read_observations(flags.data, config.spec, count, seed)
    else:
        logger.warning("no --data: comparing on random frames, which real frames may differ from")
        observations = random_observations(config.spec, config.tokenizer, count, seed)
    provenance = {"run": flags.source.resolve().name, "compared_on": observations.source}
    bundle, report = export_checked_bundle(config, agent, out, provenance, observations)
    logger.info(describe_parity(report))
    for precision, broken in report.unfit.items():
        logger.warning(
            "the head does not keep its actions in %s, which the runtime will refuse: %s",
            precision,
            "; ".join(broken),
        )
    print_files(bundle)
    return bundle


def export_engines(flags: ExportFlags, bundle: Bundle) -> None:
    """A bundle's graphs to engines beside them."""
    from lapa_edge.export.engines import build_engines
    from lapa_edge.export.tensorrt_api import find_builder

    print_files(build_engines(bundle, flags.board, find_builder(flags.builder)))


def describe_parity(report: ParityReport) -> str:
    """What was compared and how it went, in a line."""
    measured = report.measured
    codes = measured.get("code_match_percent")
    said = f"codes {codes:.2f} % alike, " if codes is not None else ""
    action = max(measured["native_head_max_abs"], measured["onnx_head_max_abs"])
    losses = [
        f"{measured[name]:.2%} in {precision}"
        for precision in ("bf16", "int8")
        if (name := f"{precision}_head_relative_rms") in measured
    ]
    return (
        f"parity passed on {report.source}: {said}context within "
        f"{measured['context_max_abs']:.1e}, actions within {action:.1e} (normalised); "
        f"the head loses {', '.join(losses)} of them (relative RMS)"
    )


def print_files(bundle: Bundle) -> None:
    """The bundle's files and sizes on stdout."""
    print(bundle.root)
    for name, entry in sorted(bundle.manifest.files.items()):
        print(f"  {name:<36} {entry.bytes / 1024:10.1f} KiB")
