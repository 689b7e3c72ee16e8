"""The five methods that a comparison trains, each by one call.

    scratch     demos -> trunk and head                              stage 3 alone
    unipi       video -> predictor; demos -> inverse dynamics        imagines, then reads actions
    vpt         demos -> inverse dynamics -> pseudo-actions of the video -> trunk and head -> demos
    lapa        video -> latent actions -> latent policy -> head on the demos     stages 1, 2, 3
    actionvla   the video's true actions -> trunk and head -> demos               the ceiling

All share the frames, the trunk, the head, the words, the steps and the demos (LAPA, arXiv
2410.11758, section 4). Fine-tuning takes ``action_steps``, whatever came before; what is pretrained
on video takes ``pretrain_steps``, stage 1 and the inverse dynamics ``latent_steps``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from lapa_edge.data.episode import Dataset
from lapa_edge.data.files import held_in_turn
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.data.labels import Labels, read_labels
from lapa_edge.data.pairs import FramePairs
from lapa_edge.errors import ConfigError
from lapa_edge.model.policy import PolicyConfig
from lapa_edge.model.quantizer import QuantizerConfig
from lapa_edge.model.unipi import UniPiConfig
from lapa_edge.spec import FrameSpec, LatentSpec, TimingSpec
from lapa_edge.train.actions import ActionsConfig, actions_config, read_agent, train_actions
from lapa_edge.train.baselines.inverse import Inverse, train_inverse
from lapa_edge.train.baselines.pseudo_labels import pseudo_labelled
from lapa_edge.train.baselines.settings import FINE_TUNED, Material, MethodConfig
from lapa_edge.train.baselines.true_actions import true_actions
from lapa_edge.train.baselines.unipi import (
    REPLAN_FRAMES,
    PredictorConfig,
    assemble,
    train_predictor,
)
from lapa_edge.train.codec import TrainedCodec
from lapa_edge.train.label import label_video
from lapa_edge.train.latents import (
    LatentModel,
    LatentsConfig,
    labelled_pairs,
    read_latent_model,
    train_latents,
)
from lapa_edge.train.policy import policy_config, train_policy
from lapa_edge.train.run_directory import RunDirectory
from lapa_edge.train.words import build_words

__all__ = ["FINE_TUNED", "METHODS", "Material", "MethodConfig", "Places", "train_method"]

METHODS = ("scratch", "unipi", "vpt", "lapa", "actionvla")


@dataclass(frozen=True)
class Places:
    """Where a method's runs go.

    Attributes:
        own: what belongs to this method alone.
        shared: what several methods of one seed share.
        actions: the finished agent.
    """

    own: Path
    shared: Path
    actions: Path


def train_method(
    method: str, material: Material, config: MethodConfig, root: Path, shared: Path | None = None
) -> RunDirectory:
    """Train one method, going on where it was stopped; a finished one is only opened.

    Args:
        method: one of `METHODS`.
        material: what there is to learn from.
        config: how much of everything.
        root: where the method's own runs go.
        shared: where the runs go that several methods of one seed share, `root` unless given:
            ``latents``, ``labels`` and ``policy`` of lapa and its variants of stage 3,
            ``inverse_dynamics`` of vpt and unipi. Processes that need the same one wait for it.

    Returns:
        The finished stage-3 run, for `train.actions.read_agent`: ``root/actions``.

    Raises:
        ConfigError: no such method, or `root` was started with another method or config.
        DataError: the data lacks what the method needs; the message says what.
    """
    check_method(method)
    RunDirectory(root).open(config, method=method)
    places = Places(root, shared or root, root / "actions")
    run = RunDirectory(places.actions)
    if not run.finished:
        train_at(method, material, config, places)
    return run


def check_method(method: str) -> None:
    """Raise `ConfigError` for a method that does not exist."""
    if method not in METHODS:
        raise ConfigError("method", f"expected one of {', '.join(METHODS)}, got {method}")


def train_at(method: str, material: Material, config: MethodConfig, places: Places) -> None:
    """As `train_method`, with every place chosen."""
    check_method(method)
    training = _Training(method, material, config, places)
    {
        "scratch": training.scratch,
        "unipi": training.unipi,
        "vpt": training.vpt,
        "lapa": training.lapa,
        "actionvla": training.actionvla,
    }[method]()


class _Training:
    """The steps of the methods; each reads what is done and does what is not."""

    def __init__(
        self, method: str, material: Material, config: MethodConfig, places: Places
    ) -> None:
        self.method, self.config, self.places = method, config, places
        self.material, self.video, self.demos = material, material.video, material.demos
        self.preset = config.networks
        self.frame = FrameSpec(height=self.preset.policy.height, width=self.preset.policy.width)
        self.words = build_words(config.networks.policy.text, self.video, self.demos)

    def scratch(self) -> None:
        """Stage 3 alone."""
        train_actions(self._on_demos(), None, self.demos, self._frames(self.demos), self._actions())

    def vpt(self) -> None:
        """Behaviour cloning of pseudo-actions, then of the demos."""
        config, store = self._on_demos(), self._frames(self.video)
        pseudo = pseudo_labelled(
            self._inverse(config), self.video, store, self.demos, config.spec,
            self.places.own / "pseudo_labels",
        )  # fmt: skip
        # A video shows neither the robot's state nor its last action: both are hidden.
        self._clone_and_ground(replace(config, drop_last_action=1.0), pseudo, config)

    def actionvla(self) -> None:
        """Behaviour cloning of the video's true actions, then of the demos."""
        config = self._on_demos()
        self._clone_and_ground(config, true_actions(self.video, self.demos), config)

    def unipi(self) -> None:
        """A frame predictor and an inverse dynamics, joined."""
        timing, config = self._replanning(), self._on_demos()
        inverse = self._inverse(config)
        predictor = train_predictor(
            PredictorConfig(
                tokenizer=self.words,
                model=self.preset.policy,
                gap_s=inverse.gap_s,
                loop=self.config.loop(self.config.pretrain_steps, self.config.latent_batch),
            ),
            self.video,
            self._frames(self.video),
            RunDirectory(self.places.own / "predictor"),
        )
        a = len(config.spec.action.names)
        policy = replace(self.preset.policy, context_dim=self.config.chunk * a)
        joined = self._on_demos(policy=policy, timing=timing)
        head = replace(joined.head, width=max(joined.head.width, 2 * policy.context_dim))
        parts = UniPiConfig(inverse=inverse.config.model, action_dim=a)
        assemble(replace(joined, head=head, unipi=parts), predictor, inverse, self._actions())

    def lapa(self) -> None:
        """Stages 1, 2 and 3."""
        latents = self._latents()
        labels = self._labels(*latents)
        config = policy_config(
            self.video, labels, self.preset.policy,
            self.config.loop(self.config.pretrain_steps, self.config.batch),
        )  # fmt: skip
        config = replace(config, tokenizer=self.words)
        with self._in_turn("policy") as run:
            instructed = train_policy(config, self.video, self._frames(self.video), labels, run)
        codebook = latents[1].quantizer.codebook.detach().cpu().clone()
        stage3 = self._on_demos(latent=config.latent, policy=config.model)
        train_actions(
            stage3, (instructed, codebook), self.demos, self._frames(self.demos), self._actions()
        )

    def _latents(self) -> tuple[LatentsConfig, LatentModel]:
        gap_s, labelled = self.config.gap_s, None
        model = replace(
            self.preset.latents, n=self.config.n, quantizer=QuantizerConfig(k=self.config.k)
        )
        if self.config.joint_actions:
            labelled = labelled_pairs(self.demos, self._frames(self.demos), gap_s)
            model = replace(model, action_dim=labelled.pairs.action_dim)
        loop = self.config.loop(self.config.latent_steps, self.config.latent_batch)
        config = LatentsConfig(model=model, loop=loop, gap_s=gap_s)
        with self._in_turn("latents") as run:
            train_latents(config, self._frames(self.video), self.video.fps, run, labelled)
            return read_latent_model(run)

    def _labels(self, config: LatentsConfig, model: LatentModel) -> Labels:
        codec, store = TrainedCodec(config, model), self._frames(self.video)
        pairs = FramePairs(store, (codec.latent.gap_s,), self.video.fps)
        fingerprint = RunDirectory(self.places.shared / "latents").fingerprint()
        with self._in_turn("labels") as run:
            label_video(codec, fingerprint, store, pairs, run.root)
            return read_labels(run.root)

    def _inverse(self, config: ActionsConfig) -> Inverse:
        with self._in_turn("inverse_dynamics") as run:
            return train_inverse(
                self.demos,
                self._frames(self.demos),
                config.spec.action,
                self.preset.latents,
                self.config.label_gap_s,
                self.config.loop(self.config.latent_steps, self.config.latent_batch),
                run,
            )

    def _clone_and_ground(
        self, cloning: ActionsConfig, labelled: Dataset, grounding: ActionsConfig
    ) -> None:
        """Pretrain trunk and head on `labelled`, then go on with the demos."""
        loop = self.config.loop(self.config.pretrain_steps, self.config.batch)
        run = RunDirectory(self.places.own / "pretraining")
        store = self._frames(self.video)
        # It trains all of the trunk, whatever fine-tuning will do with it.
        cloning = replace(cloning, loop=loop, trunk_rate=0.0)
        train_actions(cloning, None, labelled, store, run)
        _, pretrained = read_agent(run)
        demos = self._frames(self.demos)
        train_actions(grounding, pretrained, self.demos, demos, self._actions())

    def _on_demos(
        self,
        latent: LatentSpec | None = None,
        policy: PolicyConfig | None = None,
        timing: TimingSpec | None = None,
    ) -> ActionsConfig:
        """Stage 3 of this method."""
        rate = self.config.trunk_rates.get(self.method, self.config.trunk_rate)
        return actions_config(
            self.demos,
            latent=latent,
            tokenizer=self.words,
            policy=policy or self.preset.policy,
            head=self.preset.head,
            timing=timing or self.config.timing,
            chunk=self.config.chunk,
            loop=self.config.loop(self.config.action_steps, self.config.batch),
            trunk_rate=rate,
            head_inputs=self.config.head_inputs,
            decoding="direct" if self.method == "unipi" else self.config.decoding,
            look_state=self.config.look_state and self.method != "unipi",
        )

    def _replanning(self) -> TimingSpec:
        """A look every two frames of the video; its answer must live until the next but one.

        Nothing leads from one to the next: the context is a chunk of actions, played from its
        start, and halfway between two that began at different times is neither.

        Raises:
            ConfigError: a chunk ends before the next look.
        """
        fps = sorted(self.video.fps.values())[len(self.video.episodes) // 2]
        period_s = REPLAN_FRAMES / fps
        assert self.demos.robot
        ticks = math.ceil(period_s * self.demos.robot.control_hz - 1e-6)
        if self.config.chunk < ticks:
            raise ConfigError(
                "chunk",
                f"unipi plays a plan for {REPLAN_FRAMES} frames, {ticks} control ticks, got "
                f"{self.config.chunk}",
                f"give at least {ticks}",
            )
        age_s = max(self.config.timing.max_latent_age_s, 2 * period_s)
        return TimingSpec(policy_hz=1 / period_s, max_latent_age_s=age_s)

    @contextmanager
    def _in_turn(self, name: str) -> Iterator[RunDirectory]:
        """A run that other methods share: one process at a time makes or reads it."""
        self.places.shared.mkdir(parents=True, exist_ok=True)
        with held_in_turn(self.places.shared / f".{name}.lock"):
            yield RunDirectory(self.places.shared / name)

    def _actions(self) -> RunDirectory:
        return RunDirectory(self.places.actions)

    def _frames(self, dataset: Dataset) -> FrameStore:
        return self.material.frames(dataset, self.frame)
