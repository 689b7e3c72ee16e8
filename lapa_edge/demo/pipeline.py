"""The main job, one stage after another. Read this file to see the flow of the data.

Every stage is skipped when it is done and goes on where it stopped when it is not.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import msgspec
from rich.console import Console

from lapa_edge.artifact import Bundle, load_bundle
from lapa_edge.data.dataset import read_dataset
from lapa_edge.data.episode import Dataset
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.data.labels import Labels, describe_usage, read_labels
from lapa_edge.data.pairs import FramePairs
from lapa_edge.demo.pictures import draw_rollouts
from lapa_edge.demo.plan import BOARD, CHUNK, TIMING, Plan
from lapa_edge.demo.record import record
from lapa_edge.demo.report import Report, compare, verdict, write_report
from lapa_edge.demo.rollouts import roll_out
from lapa_edge.demo.stages import StageLog
from lapa_edge.errors import BundleError, LapaError
from lapa_edge.evaluate.evaluation import JobAnswer
from lapa_edge.evaluate.latents.pictures import draw_codes, start_frames
from lapa_edge.evaluate.latents.usage import common_sequences
from lapa_edge.evaluate.summary import summarise
from lapa_edge.evaluate.table import success_table
from lapa_edge.export.bundle import export_checked_bundle
from lapa_edge.export.engines import build_engines
from lapa_edge.export.observations import read_observations
from lapa_edge.export.parity import PARITY, ParityReport
from lapa_edge.runtime.profile import describe_machine, measure_latency
from lapa_edge.train.actions import ActionsConfig, actions_config, read_agent, train_actions
from lapa_edge.train.codec import read_codec
from lapa_edge.train.frames import open_frames
from lapa_edge.train.label import label_video
from lapa_edge.train.latents import LatentsConfig, labelled_pairs, read_latent_model, train_latents
from lapa_edge.train.loop import LoopConfig
from lapa_edge.train.policy import policy_config, read_policy, train_policy
from lapa_edge.train.presets import PRESETS
from lapa_edge.train.run_directory import RunDirectory, write_text

log = logging.getLogger(__name__)

METHODS = ("lapa", "scratch")
SEQUENCES_SHOWN = 8


class Demo:
    """One demo in one directory."""

    def __init__(self, root: Path, plan: Plan, seed: int, quick: bool, processes: int) -> None:
        self.root, self.plan, self.seed = root, plan, seed
        self.quick, self.processes = quick, processes
        self.console = Console()
        self.stages = StageLog(root / "stages.json", self.console)
        self.latents = RunDirectory(root / "latents")
        self.policy = RunDirectory(root / "policy")
        self.heads = {method: RunDirectory(root / method) for method in METHODS}
        self.preset = PRESETS[plan.preset]

    def run(self) -> Report:
        """Every stage, in the order of the data."""
        with self.stages.run("record") as fresh:
            if fresh:
                folders = self.root / "video", self.root / "demos"
                record(self.plan, self.seed, *folders, self.processes)
        video, demos = read_dataset(self.root / "video"), read_dataset(self.root / "demos")
        with self.stages.run("train latents"):
            self._train_latents(video, demos)
        with self.stages.run("label"):
            labels = self._label(video)
        with self.stages.run("train policy"):
            self._train_policy(video, labels)
        for method in METHODS:
            with self.stages.run(f"train actions, {method}") as fresh:
                if fresh:
                    self._train_actions(method, demos)
        if not self._bundles_are_whole():
            self.stages.forget("export", "build engine")
        with self.stages.run("export") as fresh:
            if fresh:
                self._export()
        with self.stages.run("build engine") as fresh:
            if fresh:
                self._build_engine()
        answers = {}
        for method in METHODS:
            with self.stages.run(f"rollouts, {method}"):
                folder = self.root / "rollouts"
                answers[method] = roll_out(
                    self.plan, self.seed, method, self._bundle_path(method), folder, self.processes
                )
        with self.stages.run("report"):
            return self._report(video, labels, answers)

    def _train_latents(self, video: Dataset, demos: Dataset) -> None:
        gap_s = LatentsConfig.gap_s
        labelled = labelled_pairs(demos, self._frames(demos), gap_s)
        model = replace(self.preset.latents, action_dim=labelled.pairs.action_dim)
        loop = self._loop(self.plan.latent_steps, self.plan.latent_batch)
        config = LatentsConfig(model=model, loop=loop, gap_s=gap_s)
        store = self._frames(video)
        train_latents(config, store, video.fps, self.latents, labelled)

    def _label(self, video: Dataset) -> Labels:
        codec, store = read_codec(self.latents), self._frames(video)
        pairs = FramePairs(store, (codec.latent.gap_s,), video.fps)
        label_video(codec, self.latents.fingerprint(), store, pairs, self.root / "labels")
        return read_labels(self.root / "labels")

    def _train_policy(self, video: Dataset, labels: Labels) -> None:
        loop = self._loop(self.plan.policy_steps, self.plan.batch)
        config = policy_config(video, labels, self.preset.policy, loop)
        train_policy(config, video, self._frames(video), labels, self.policy)

    def _train_actions(self, method: str, demos: Dataset) -> None:
        stage2, instructed = read_policy(self.policy)
        pretrained = None
        if method == "lapa":
            _, latent_model = read_latent_model(self.latents)
            pretrained = instructed, latent_model.quantizer.codebook.detach().cpu().clone()
        config = actions_config(
            demos,
            latent=stage2.latent if pretrained else None,
            tokenizer=stage2.tokenizer,
            policy=stage2.model,
            head=self.preset.head,
            timing=TIMING,
            chunk=CHUNK,
            loop=self._loop(self.plan.action_steps, self.plan.batch),
            trunk_rate=ActionsConfig.trunk_rate,
        )
        train_actions(config, pretrained, demos, self._frames(demos), self.heads[method])

    def _export(self) -> None:
        for method in METHODS:
            config, agent = read_agent(self.heads[method])
            observations = read_observations(
                self.root / "demos", config.spec, self.plan.parity_observations, self.seed
            )
            provenance = {"made_by": "lapa-demo", "method": method, "seed": str(self.seed)}
            path = self._bundle_path(method)
            export_checked_bundle(config, agent, path, provenance, observations)

    def _build_engine(self) -> None:
        try:
            bundle = build_engines(self._bundle("lapa"), BOARD)
            engines = sorted(n for n in bundle.manifest.files if n.endswith(".engine"))
            outcome = f"ONNX graphs, and TensorRT engines {', '.join(engines)}: built, not run"
        except LapaError as reason:  # the demo needs no engine; it says why there is none
            outcome = f"ONNX graphs; no TensorRT engine ({reason})"
            log.warning(outcome)
        write_text(self.root / "engines.txt", outcome)

    def _report(
        self, video: Dataset, labels: Labels, answers: dict[str, list[JobAnswer]]
    ) -> Report:
        bundle = self._bundle("lapa")
        codec = read_codec(self.latents)
        store = self._frames(video)
        clips = [next(n for n in store.names if n.startswith(t)) for t in self.plan.tasks[:5:2]]
        common = common_sequences(labels.codes, SEQUENCES_SHOWN)
        draw_codes(codec, start_frames(store, clips), common, self.root / "codes.png")
        draw_rollouts(
            METHODS, answers, self.root / "rollouts", self.root / "rollouts.mp4", TIMING.policy_hz
        )
        methods = {method: summarise(answers[method]) for method in METHODS}
        difference, interval = compare(methods["lapa"], methods["scratch"])
        report = Report(
            seed=self.seed,
            quick=self.quick,
            demos_per_task=self.plan.demos_per_task,
            videos=len(video.episodes),
            methods=methods,
            difference=difference,
            difference_interval_95=interval,
            stages=self.stages.seconds,
            latency_ms=measure_latency(bundle, self.plan.latency_repeats),
            codes=describe_usage(labels),
            parity=msgspec.json.decode(
                bundle.path(PARITY).read_bytes(), type=ParityReport
            ).measured,
            engines=(self.root / "engines.txt").read_text(),
            torch_imported_by_runtime=any(m.torch_imported_by_runtime for m in methods.values()),
            machine=describe_machine(),
        )
        page = write_report(report, self.root)
        self.console.print(success_table(methods))
        self.console.print(verdict(report))
        self.console.print(f"report: {page}")
        return report

    def _loop(self, steps: int, batch: int) -> LoopConfig:
        return replace(LoopConfig(), steps=steps, batch=batch, seed=self.seed)

    def _frames(self, dataset: Dataset) -> FrameStore:
        frame = LatentsConfig(model=self.preset.latents).frame
        return open_frames(dataset, frame, self.root / "frames")

    def _bundle_path(self, method: str) -> Path:
        return self.root / f"bundle-{method}"

    def _bundles_are_whole(self) -> bool:
        try:
            return all(self._bundle(method) for method in METHODS)
        except BundleError:
            return False

    def _bundle(self, method: str) -> Bundle:
        return load_bundle(self._bundle_path(method))
