"""Stage 1, ``lapa-train latents``: video without actions in, a latent action model out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from lapa_edge.data.episode import Dataset
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.data.pairs import FramePairs
from lapa_edge.errors import ConfigError
from lapa_edge.model.latent_action import LatentActionConfig, LatentActionModel
from lapa_edge.model.published import PublishedConfig, PublishedModel
from lapa_edge.spec import FrameSpec
from lapa_edge.train.action_pairs import ActionPairs, PairsOfDemos
from lapa_edge.train.batches import augment, frames_to_tensor
from lapa_edge.train.device import pick_device
from lapa_edge.train.features import FrozenFeatures
from lapa_edge.train.held_out import hold_out, measure_held_out
from lapa_edge.train.latent_losses import code_usage, gain_over_copy, pixel_loss
from lapa_edge.train.loop import LoopConfig, Losses, Validation, train
from lapa_edge.train.run_directory import RunDirectory, load_weights

Indices = NDArray[np.int64]
LatentModel = LatentActionModel | PublishedModel


@dataclass(frozen=True)
class LatentsConfig:
    """Stage 1 settings; frames are as large as the network says."""

    model: LatentActionConfig = field(default_factory=LatentActionConfig)
    """Our network."""
    published: PublishedConfig | None = None
    """The network that LAPA published, in place of ours."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=600))
    """The training loop."""
    gap_s: tuple[float, ...] = (0.2, 0.3, 0.4)
    """Times between the two frames, seconds; one is drawn per pair. The middle one labels."""
    short_clips: Literal["truncate", "skip"] = "truncate"
    """A gap that runs past the clip's end stops at its last frame, as in the paper, or is left."""
    shift: int = 4
    """Augmentation: largest random shift, pixels."""
    light: float = 0.1
    """Augmentation: largest relative change of light."""
    alike: bool = True
    """Augment both frames of a pair alike; else each on its own."""
    motion_weight: float = 20.0
    """Extra weight of the pixels that change between the two frames; 0 is plain MSE."""
    scales: tuple[int, ...] = (1, 4, 16)
    """Pixels over which the loss averages frames; (1,) looks at the full resolution alone."""
    features: str = ""
    """Target in a frozen feature space: a stage-1 run or an ONNX file; see `train.features`."""
    feature_weight: float = 1.0
    """Weight of the loss on the frozen features."""
    action_batch: int = 32
    """Labelled pairs per step for the joint action head, where demos are given."""
    action_weight: float = 25.0
    """Weight of the joint action head's loss. Motion-weighted pixels over all scales begin near 30,
    normalised actions at 1: with a weight of 1 the head goes unheard."""
    held_out: float = 0.05
    """Share of the clips that are kept for validation, 0 to 0.5."""

    def __post_init__(self) -> None:
        if not 0 <= self.held_out <= 0.5:
            raise ConfigError("held_out", f"expected 0 to 0.5, got {self.held_out}")
        if not self.gap_s or min(self.gap_s) <= 0:
            raise ConfigError("gap_s", f"expected seconds above 0, got {self.gap_s}")
        side = min(self.network.height, self.network.width)
        if not self.scales or min(self.scales) < 1 or max(self.scales) > side:
            raise ConfigError("scales", f"expected pixels of 1 to {side}, got {self.scales}")
        if not 0 <= self.action_weight < float("inf"):
            raise ConfigError("action_weight", f"expected 0 or more, got {self.action_weight}")
        if self.shift < 0 or self.light < 0:
            found = f"got {self.shift} and {self.light}"
            raise ConfigError("shift and light", f"expected 0 or more, {found}")
        if self.published and (self.model.action_dim or self.model.feature_dim):
            raise ConfigError(
                "preset lapa", "the published network has no head for actions or features",
                "leave --demos and --features out, or take another preset",
            )  # fmt: skip
        if bool(self.features) != bool(self.model.feature_dim):
            raise ConfigError("features", "their width and model.feature_dim go together")

    @property
    def network(self) -> LatentActionConfig | PublishedConfig:
        """The network's settings, whichever it is."""
        return self.published or self.model

    @property
    def label_gap_s(self) -> float:
        """The gap that codes are written for, seconds."""
        return sorted(self.gap_s)[len(self.gap_s) // 2]

    @property
    def frame(self) -> FrameSpec:
        """Frames as the network reads them."""
        if self.published:
            return self.published.frame
        return FrameSpec(height=self.model.height, width=self.model.width)


@dataclass(frozen=True)
class LabelledPairs:
    """The few labelled demos that stage 1 may learn from, with the frames they index."""

    pairs: PairsOfDemos
    store: FrameStore

    def fingerprint(self) -> str:
        """Changes with the demos and with how many pairs they give."""
        return f"+{self.store.fingerprint()}:{len(self.pairs)}"


def labelled_pairs(demos: Dataset, store: FrameStore, gap_s: tuple[float, ...]) -> LabelledPairs:
    """The joint action head's data: labelled episodes and their frames."""
    return LabelledPairs(ActionPairs(demos, store, gap_s), store)


def train_latents(
    config: LatentsConfig,
    store: FrameStore,
    fps: Mapping[str, float],
    run: RunDirectory,
    labelled: LabelledPairs | None = None,
) -> LatentModel:
    """Train on frame pairs; the finished weights are in `run`.

    Args:
        config: its ``model.action_dim`` is the demos' where `labelled` is given, else 0.
        store: the video's frames.
        fps: camera rate in Hz by clip name.
        run: where it goes.
        labelled: demos for the joint action head.

    Raises:
        DataError: no frame pair lies a gap apart.
        ConfigError: the run here was started with other settings.
    """
    device = pick_device()
    training, held_out = hold_out(store, fps, config.held_out, config.label_gap_s)
    truncate = config.short_clips == "truncate"
    pairs = FramePairs(training, config.gap_s, fps, truncate)
    features = FrozenFeatures.read(config.features, device) if config.features else None

    def load(
        frames: FrameStore, index: tuple[Indices, Indices], rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        first, second = (frames_to_tensor(frames.all[i], config.frame, device) for i in index)
        if config.alike:
            first, second = augment([first, second], rng, config.shift, config.light)
        else:
            (first,) = augment([first], rng, config.shift, config.light)
            (second,) = augment([second], rng, config.shift, config.light)
        return first, second

    def loss_function(model: nn.Module, rng: np.random.Generator) -> Losses:
        first, second = load(training, pairs.sample(rng, config.loop.batch), rng)
        actions, more = None, {}
        if labelled:
            *index, normalised = labelled.pairs.sample(rng, config.action_batch)
            more["labelled"] = load(labelled.store, (index[0], index[1]), rng)
            actions = torch.from_numpy(normalised).to(device)
        predicted = model(first, second, **more)
        loss = pixel_loss(predicted.frame, first, second, config.motion_weight, config.scales)
        loss = loss + predicted.quantized.loss
        metrics = {
            "gain": gain_over_copy(predicted.frame.detach(), first, second),
            **code_usage(predicted.quantized.codes, config.network.quantizer.k),
        }
        if features:
            wanted = features.of(second, config.frame, predicted.features.shape[1])
            metrics["features"] = F.mse_loss(predicted.features, wanted)
            loss = loss + config.feature_weight * metrics["features"]
        if actions is not None:
            metrics["action"] = F.mse_loss(predicted.actions, actions.expand_as(predicted.actions))
            loss = loss + config.action_weight * metrics["action"]
        return loss, metrics

    def look(model: nn.Module) -> dict[str, float]:
        assert held_out
        return measure_held_out(model, held_out, store, config.frame, config.network.quantizer.k)

    model = train(
        "train latents",
        lambda: build_latent_model(config).to(device),
        loss_function,
        config.loop,
        run,
        config,
        data=store.fingerprint() + (labelled.fingerprint() if labelled else ""),
        validation=Validation(look, best="val_gain") if held_out else None,
    )
    assert isinstance(model, LatentModel)
    return model


def build_latent_model(config: LatentsConfig) -> LatentModel:
    """The network of the settings, with fresh weights."""
    if config.published:
        return PublishedModel(config.published)
    quantizer = config.model.quantizer
    # A short training must come to its codes too.
    start = min(quantizer.start_after, config.loop.steps // 5)
    return LatentActionModel(replace(config.model, quantizer=replace(quantizer, start_after=start)))


def read_latent_model(run: RunDirectory, best: bool = False) -> tuple[LatentsConfig, LatentModel]:
    """A stage-1 run: its config and its model, ready to label.

    Args:
        run: the run.
        best: the weights that did best on held-out clips, in place of the last ones; a run that
            is not finished has them too.

    Raises:
        DataError: no such weights, or of another network than the config says.
    """
    config = run.read_config(LatentsConfig)
    model = build_latent_model(config).to(pick_device())
    load_weights(model, run.best if best else run.weights)
    return config, model.eval()
