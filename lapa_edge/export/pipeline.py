"""The five steps of lapa-export, from a finished run or from a bundle.

    export       graphs, native weights and tokenizer of the run; of a bundle, the bundle as it is
    quantize     the graphs of every precision asked for, calibrated on real observations
    build        TensorRT engines for a board, their sidecars and caches
    verify       all of it against PyTorch: parity.json, VERIFICATION.md
    benchmark    how long each part takes here, by graph and engine: benchmark.json

A bundle on a robot has no run and needs no torch: what PyTorch answered is recorded in it.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import msgspec

from lapa_edge.artifact import Bundle, load_bundle, write_bundle
from lapa_edge.errors import ConfigError, LapaError
from lapa_edge.export.board import check_precision, read_board
from lapa_edge.export.limits import Precision
from lapa_edge.export.observations import Observations
from lapa_edge.export.precision.calibrate import LEAST, Size, calibrate_policy
from lapa_edge.export.precision.graphs import QUANTIZED, make_graphs
from lapa_edge.export.recorded import check_recorded
from lapa_edge.export.steps import Files, Staging, Step
from lapa_edge.export.tensorrt_api import Builder, choose_capability

if TYPE_CHECKING:
    from lapa_edge.export.parity import ParityReport
    from lapa_edge.model.agent import Agent
    from lapa_edge.train.actions import ActionsConfig

StepName = Literal["export", "quantize", "build", "verify", "benchmark"]
STEPS: tuple[StepName, ...] = get_args(StepName)
BENCHMARK = "benchmark.json"

ReadObservations = Callable[[int], Observations]
"""So many moments of the dataset."""


@dataclass(frozen=True)
class Wish:
    """What is to come of it.

    precisions: of the policy's graphs, fp32 among them; board: a recipe's name or file, or None
    for no engines; builder: what builds them; calibration: how many observations, at least;
    camera_size: rows and columns of the robot's camera, where it is known.
    """

    precisions: tuple[Precision, ...] = ("fp32",)
    board: str | None = None
    builder: Builder | None = None
    calibration: int = LEAST
    camera_size: Size | None = None

    def check(self, steps: Collection[StepName] = ()) -> None:
        """Raise `ConfigError` for what cannot come of it, before any of `steps` is done.

        A board without a precision, or one that the builder here cannot build for.
        """
        if self.board is None:
            return
        recipe = read_board(self.board)
        for precision in self.precisions:
            check_precision(recipe, precision)
        if self.builder is not None and "build" in steps:
            choose_capability(recipe, self.builder)


@dataclass(frozen=True)
class Drive:
    """The closed loop, where it is asked for: what drives, and in words what is driven."""

    run: Callable[[Bundle, ParityReport], ParityReport]
    words: str


class Source:
    """Where the float32 graphs come from, and PyTorch's answers to hold the others against."""

    def __init__(self, bundle: Bundle) -> None:
        self.spec, self.provenance = bundle.spec, bundle.manifest.provenance
        self.given = {name: entry.sha256 for name, entry in bundle.manifest.files.items()}
        self._bundle = bundle

    def step(self) -> Step:
        """The first step: a bundle is there already."""

        def make(_: Files) -> Files:
            return {name: self._bundle.path(name).read_bytes() for name in self.given}

        return Step("export", self.given, make)

    def check(self, wish: Wish, steps: Collection[StepName]) -> None:
        """Raise `LapaError` for what a step would refuse, as far as the graphs that are there tell.

        A bundle that carries no answers to be verified by, engines beyond the board's memory.
        """
        if "verify" in steps:
            check_recorded(self._bundle)
        if wish.board is not None and "build" in steps:
            from lapa_edge.export.engines import check_fit, engine_graphs

            there = [name for name in engine_graphs(wish.precisions) if name in self.given]
            check_fit(self._bundle, read_board(wish.board), there)

    def verified(self, candidate: Bundle) -> Bundle:
        """The candidate with its marks, by the answers that are recorded in it."""
        from lapa_edge.export.verification import record_verification, same_work, verify

        report = verify(candidate)
        if not report.passed and same_work(candidate, self._bundle):
            # Nothing is new: it is the published bundle that failed, and must not stay marked good.
            record_verification(self._bundle, report)
        return record_verification(candidate, report)

    def hashes(self) -> dict[str, str]:
        """What verifying depends on, besides the files."""
        return {}

    def drive_hashes(self) -> dict[str, str]:
        """What driving depends on, besides."""
        return {}


class Run(Source):
    """A finished stage-3 run, and the observations that it is compared on."""

    def __init__(
        self,
        fingerprint: str,
        config: ActionsConfig,
        agent: Agent,
        observations: Observations,
        provenance: Mapping[str, str],
        drive: Drive | None = None,
    ) -> None:
        self.spec, self.provenance = config.spec, dict(provenance)
        self.given: dict[str, str] = {}  # nothing of it was published before
        self._fingerprint, self._config = fingerprint, config
        self._agent, self._observations, self._drive = agent, observations, drive

    def step(self) -> Step:
        """The first step: graphs and weights of the agent."""

        def make(_: Files) -> Files:
            from lapa_edge.export.bundle import bundle_files
            from lapa_edge.export.calibration import calibrate_head

            head = calibrate_head(self._config, self._agent, self._observations)
            return bundle_files(self._config, self._agent, head)

        config = _sha256(msgspec.json.encode(self._config))
        inputs = {"weights": self._fingerprint, "config": config, **self.hashes()}
        return Step("export", inputs, make, needed=True)

    def check(self, wish: Wish, steps: Collection[StepName]) -> None:
        """Its graphs and answers are still to come."""

    def verified(self, candidate: Bundle) -> Bundle:
        """The candidate with its marks, by the agent's own answers."""
        from lapa_edge.export.reference import build_reference
        from lapa_edge.export.verification import check_verified, record_verification, verify

        reference = build_reference(self._config, self._agent, self._observations)
        report = verify(candidate, reference)
        if self._drive is not None:
            check_verified(candidate, report)
            report = self._drive.run(candidate, report)
        return record_verification(candidate, report, reference)

    def hashes(self) -> dict[str, str]:
        """The observations, and the versions of what answers them."""
        versions = {name: version(name) for name in ("torch", "onnxruntime")}
        return {"observations": self._observations.sha256(), **versions}

    def drive_hashes(self) -> dict[str, str]:
        """What is driven, where anything is."""
        return {} if self._drive is None else {"closed loop": self._drive.words}


class Pipeline:
    """The steps of one export to `root`.

    Args:
        source: a run or a bundle.
        wish: what is to come of it.
        root: the bundle's place.
        read: observations for calibrating; None where there is no dataset.
    """

    def __init__(
        self, source: Source, wish: Wish, root: Path, read: ReadObservations | None
    ) -> None:
        self._source, self._wish, self._root, self._read = source, wish, root, read
        self.staging = Staging(root.parent / f".{root.name}.export")

    def run(self, chosen: tuple[StepName, ...]) -> Bundle | None:
        """Do `chosen`, and publish at `root` what was verified; None where that is still to come.

        Raises:
            BundleError: parity failed; `root` is as it was.
            LapaError: what a step refuses; finished steps are kept.
        """
        self._check(chosen)
        given = self._source.given
        try:
            files = self.staging.run(self._steps(), ("export", *chosen) if given else chosen)
        except LapaError as error:  # by the bundle's name, not by that of a folder that passes
            passing, place = str(self._candidate_root), str(self._root)
            error.args = tuple(str(words).replace(passing, place) for words in error.args)
            raise
        changed = {name for name, data in files.items() if _sha256(data) != given.get(name)}
        if "verify" not in chosen and changed - {BENCHMARK}:
            return None
        bundle = write_bundle(self._root, self._source.spec, files, self._source.provenance)
        self.staging.remove()
        return bundle

    def _check(self, chosen: Collection[StepName]) -> None:
        """Raise `LapaError` for what can be refused before the first step."""
        self._wish.check(chosen)
        if self._needs_ranges and self._read is None:
            raise ConfigError(
                f"--precision {','.join(self._wish.precisions)}",
                "8 bits need the ranges of real observations",
                "give a dataset of the robot's own camera with --data",
            )
        self._source.check(self._wish, chosen)

    def _steps(self) -> list[Step]:
        wish = self._wish
        steps = [self._source.step(), Step("quantize", self._quantize_inputs(), self._quantize)]
        if wish.board is not None:
            builder = wish.builder
            assert builder is not None
            inputs = {
                "board": _sha256(msgspec.json.encode(read_board(wish.board))),
                "precisions": ",".join(wish.precisions),
                "builder": f"{builder.name} {builder.version}",
            }
            steps.append(Step("build", inputs, self._build))
        verifying = {**self._source.hashes(), **self._source.drive_hashes()}
        steps.append(Step("verify", verifying, self._verify))
        steps.append(Step("benchmark", {"machine": platform.node()}, self._benchmark))
        return steps

    @cached_property
    def _to_make(self) -> tuple[Precision, ...]:
        """Precisions whose graphs are not there: a robot has a bundle's, and no data to redo them.

        With data at hand they are asked for anew.
        """
        given = self._source.given if self._read is None else ()
        return tuple(p for p in self._wish.precisions if f"policy.{p}.onnx" not in given)

    @property
    def _needs_ranges(self) -> bool:
        return not set(self._to_make).isdisjoint(QUANTIZED)

    @cached_property
    def _calibration_set(self) -> Observations | None:
        if not self._needs_ranges or self._read is None:
            return None
        return self._read(self._wish.calibration)

    def _quantize_inputs(self) -> dict[str, str]:
        wish, seen = self._wish, self._calibration_set
        return {
            "precisions": ",".join(self._to_make),
            "calibration": seen.sha256() if seen else "",
            "least": str(wish.calibration),
            "camera": str(wish.camera_size),
        }

    def _quantize(self, files: Files) -> Files:
        bundle, seen = self._candidate(files), self._calibration_set
        calibration = None
        if seen is not None:
            wish = self._wish
            calibration = calibrate_policy(bundle, seen, wish.calibration, wish.camera_size)
        made = Files()
        for precision in self._to_make:
            made |= make_graphs(bundle, precision, calibration)
        return made

    def _build(self, files: Files) -> Files:
        from lapa_edge.export.engines import engine_files

        wish = self._wish
        assert wish.board is not None
        return engine_files(self._candidate(files), wish.board, wish.builder, wish.precisions)

    def _verify(self, files: Files) -> Files:
        checked = self._source.verified(self._candidate(files))
        names = checked.manifest.files
        return {
            name: checked.path(name).read_bytes()
            for name, entry in names.items()
            if name not in files or _sha256(files[name]) != entry.sha256
        }

    def _benchmark(self, files: Files) -> Files:
        from lapa_edge.export.benchmark import measure_bundle

        told = measure_bundle(self._candidate(files))
        return {BENCHMARK: msgspec.json.format(msgspec.json.encode(told))}

    def _candidate(self, files: Files) -> Bundle:
        """The bundle of `files`, under the name it will have."""
        root = self._candidate_root
        write_bundle(root, self._source.spec, files, self._source.provenance)
        return load_bundle(root)

    @property
    def _candidate_root(self) -> Path:
        return self.staging.candidate / self._root.name


def parse_steps(words: str, board: bool) -> tuple[StepName, ...]:
    """``"export,quantize"`` as steps in their order; empty words are all but benchmark.

    Raises:
        ConfigError: a word that is no step, or build without a board.
    """
    asked = [word.strip() for word in words.split(",") if word.strip()]
    if odd := [word for word in asked if word not in STEPS]:
        raise ConfigError("--steps", f"{odd[0]!r} is none of {', '.join(STEPS)}")
    if "build" in asked and not board:
        raise ConfigError("--steps", "build makes TensorRT engines", "add --target trt")
    usual = [step for step in STEPS if step != "benchmark" and (step != "build" or board)]
    return tuple(step for step in STEPS if step in (asked or usual))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
