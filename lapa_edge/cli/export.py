"""``lapa-export``: a trained run to a bundle (``--target onnx``), a bundle to engines (``trt``)."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from lapa_edge.cli.command import run_command
from lapa_edge.errors import ConfigError
from lapa_edge.export.drive_config import DriveConfig

if TYPE_CHECKING:
    from lapa_edge.artifact import Bundle
    from lapa_edge.export.parity import ParityReport
    from lapa_edge.export.pipeline import Drive, ReadObservations, Run, Source, Wish
    from lapa_edge.spec import PolicySpec

logger = logging.getLogger(__name__)

DESCRIPTION = """Turn a trained run into the bundle a robot runs, and a bundle into engines.

In steps, each done once: export, quantize, build (with --target trt), verify, benchmark. Stopped,
the same command goes on. A bundle is compared with its run before it is published: what does not
pass leaves no bundle."""


@dataclass(frozen=True)
class ExportFlags:
    """Flags of lapa-export."""

    source: Annotated[Path, tyro.conf.Positional]
    """A finished run of lapa-train actions, or a bundle to add to."""
    target: Literal["onnx", "trt"] = "onnx"
    """onnx: graphs and native weights, compared with the run. trt: TensorRT engines as well."""
    out: Path | None = None
    """The bundle's directory. Default: SOURCE/bundle for a run; a bundle is extended in place."""
    steps: str = ""
    """Of export, quantize, build, verify, benchmark, with commas. Default: all but benchmark."""
    precision: str = "fp32"
    """Of fp32, fp16, bf16, int8, fp8, with commas: graphs of each, and engines with trt."""
    board: str = "orin-nano"
    """trt: what the engines are for: a file of export/boards by name, or a .toml of your own."""
    builder: Literal["auto", "tensorrt", "tensorrt-rtx"] = "auto"
    """trt: which TensorRT builds; auto takes the full one where it and a GPU are there."""
    data: Path | None = None
    """Dataset whose frames the run and its bundle are compared on, and 8 bits calibrated on.
    Default: random frames, on which nothing is calibrated."""
    observations: int = 64
    """Moments the two are compared on."""
    blend_s: float | None = None
    """How long the robot leads the head from one latent to the next, seconds, 0 to the run's
    max_latent_age_s; 0 is at once. As the run was trained, unless given."""
    calibration: int = 200
    """int8, fp8: moments they are calibrated on, at least."""
    camera_size: tuple[int, int] | None = None
    """Rows and columns of the robot's camera: calibration data of another is refused. Default:
    those that the bundle was calibrated on before, where it was."""
    seed: int = 0
    """Seed of what is random in the observations."""
    verify: Literal["parity", "closed-loop"] = "parity"
    """parity: the same observations, the same answers. closed-loop: as well, success in a
    simulator over the same seeds, the bundle's against PyTorch's; of a run only."""
    drive: DriveConfig = field(default_factory=DriveConfig)
    """closed-loop: what is driven. A stopped one goes on from RUN/closed-loop."""


def main() -> int:
    """Entry point."""
    return run_command(export, ExportFlags, "lapa-export", DESCRIPTION)


def export(flags: ExportFlags) -> None:
    """Export what `source` is to what `target` asks for."""
    from lapa_edge.artifact import MANIFEST
    from lapa_edge.export.pipeline import Pipeline, parse_steps

    is_bundle = (flags.source / MANIFEST).is_file()
    steps = parse_steps(flags.steps, board=flags.target == "trt")
    if is_bundle:
        check_bundle_flags(flags)
    for name, count in (("observations", flags.observations), ("calibration", flags.calibration)):
        if count < 1:
            raise ConfigError(f"--{name}", f"expected at least 1, got {count}")
    wish = build_wish(flags)
    wish.check(steps)
    source = open_bundle(flags.source) if is_bundle else open_run(flags)
    out = flags.source if is_bundle else flags.out or flags.source / "bundle"
    read = observation_reader(flags, source.spec) if flags.data else None
    pipeline = Pipeline(source, wish, out, read)
    bundle = pipeline.run(steps)
    if bundle is None:
        logger.info("kept in %s; --steps verify publishes it", pipeline.staging.root)
        return
    report_parity(bundle)
    print_files(bundle)


def check_bundle_flags(flags: ExportFlags) -> None:
    """Raise `ConfigError` for flags that say nothing to a bundle."""
    if flags.out not in (None, flags.source):
        raise ConfigError(
            "--out", "a bundle is extended in place", "copy it first, or leave --out away"
        )
    if flags.blend_s is not None:
        fix = "export the run again, or leave --blend-s away"
        raise ConfigError("--blend-s", "a bundle keeps what it was exported with", fix)
    if flags.verify == "closed-loop":
        raise ConfigError(
            "--verify closed-loop",
            "drives PyTorch beside the bundle, and a bundle holds no PyTorch",
            "give the run it was exported from",
        )
    if flags.target == "onnx" and flags.precision == "fp32" and not flags.steps:
        raise ConfigError(
            f"source {flags.source}",
            "expected a finished run of lapa-train actions, got a bundle",
            "for engines add --target trt, for another graph --precision",
        )


def build_wish(flags: ExportFlags) -> Wish:
    """The flags as what is to come of them."""
    from lapa_edge.export.pipeline import Wish
    from lapa_edge.export.precision.graphs import parse_precisions
    from lapa_edge.export.tensorrt_api import find_builder

    wants_engines = flags.target == "trt"
    wish = Wish(
        precisions=parse_precisions(flags.precision),
        board=flags.board if wants_engines else None,
        calibration=flags.calibration,
        camera_size=flags.camera_size,
    )
    wish.check()  # a board without the precision is told before a missing TensorRT
    return replace(wish, builder=find_builder(flags.builder)) if wants_engines else wish


def open_bundle(root: Path) -> Source:
    """A bundle that is there already."""
    from lapa_edge.artifact import load_bundle
    from lapa_edge.export.pipeline import Source

    return Source(load_bundle(root))


def open_run(flags: ExportFlags) -> Run:
    """A finished run, and what it is compared on."""
    from lapa_edge.export.bundle import check_place
    from lapa_edge.export.observations import random_observations
    from lapa_edge.export.pipeline import Run
    from lapa_edge.train.actions import read_agent, with_blend
    from lapa_edge.train.run_directory import RunDirectory

    if flags.blend_s is not None and flags.verify == "closed-loop":
        problem = "PyTorch would drive with the run's own, and the bundle with another"
        raise ConfigError("--blend-s", problem, "verify with one of the two alone")
    check_place(flags.out or flags.source / "bundle")
    run = RunDirectory(flags.source)
    config, agent = read_agent(run)
    if flags.blend_s is not None:
        config = with_blend(config, flags.blend_s)
    if flags.data:
        observations = observation_reader(flags, config.spec)(flags.observations)
    else:
        logger.warning("no --data: comparing on random frames, which real frames may differ from")
        observations = random_observations(
            config.spec, config.tokenizer, flags.observations, flags.seed
        )
    provenance = {"run": flags.source.resolve().name, "compared_on": observations.source}
    drive = closed_loop(flags) if flags.verify == "closed-loop" else None
    return Run(run.fingerprint(), config, agent, observations, provenance, drive)


def closed_loop(flags: ExportFlags) -> Drive:
    """Drives a run and its bundle with a progress bar, once parity has passed."""
    import msgspec

    from lapa_edge.export.closed_loop import (
        drive,
        episodes_to_drive,
        policy_graphs,
        with_closed_loop,
    )
    from lapa_edge.export.pipeline import Drive
    from lapa_edge.progress import progress_bar

    config, kept = flags.drive, flags.source / "closed-loop"

    def run(bundle: Bundle, report: ParityReport) -> ParityReport:
        graphs = policy_graphs(report)
        with progress_bar() as bar:
            task = bar.add_task("closed loop", total=episodes_to_drive(config, bundle, graphs))
            driven = drive(
                flags.source, bundle, config, kept, lambda done: bar.advance(task, done), graphs
            )
        return with_closed_loop(report, driven)

    return Drive(run, msgspec.json.encode(config, enc_hook=str).decode())


def observation_reader(flags: ExportFlags, spec: PolicySpec) -> ReadObservations:
    """Reads so many moments of --data."""
    from lapa_edge.export.observations import read_observations

    data = flags.data
    assert data is not None
    return lambda count: read_observations(data, spec, count, flags.seed)


def report_parity(bundle: Bundle) -> None:
    """What the bundle's mark says, on stderr."""
    import msgspec

    from lapa_edge.export.parity import PARITY, ParityReport

    if PARITY not in bundle.manifest.files:
        return
    report = msgspec.json.decode(bundle.path(PARITY).read_bytes(), type=ParityReport)
    logger.info(describe_parity(report))
    for precision, broken in report.unfit.items():
        logger.warning(
            "the head does not keep its actions in %s, which the runtime will refuse: %s",
            precision,
            "; ".join(broken),
        )


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
