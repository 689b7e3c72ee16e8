"""Stage 1, ``lapa-train latents``: video without actions in, a latent action model out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from lapa_edge.data.episode import Dataset
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.data.pairs import FramePairs
from lapa_edge.model.latent_action import LatentActionConfig, LatentActionModel
from lapa_edge.spec import FrameSpec
from lapa_edge.train.action_pairs import ActionPairs
from lapa_edge.train.batches import augment, frames_to_tensor
from lapa_edge.train.device import pick_device
from lapa_edge.train.loop import LoopConfig, Losses, train, unwrap
from lapa_edge.train.run_directory import RunDirectory, load_weights

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class LatentsConfig:
    """Stage 1 settings; frames are as large as ``model.height`` and ``model.width`` say."""

    model: LatentActionConfig = field(default_factory=LatentActionConfig)
    """The network."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=600))
    """The training loop."""
    gap_s: tuple[float, ...] = (0.2, 0.3, 0.4)
    """Times between the two frames, seconds; one is drawn per pair. The middle one labels."""
    shift: int = 4
    """Augmentation: largest random shift, pixels."""
    light: float = 0.1
    """Augmentation: largest relative change of light."""
    motion_weight: float = 4.0
    """Extra weight of the pixels that change between the two frames; 0 is plain MSE."""

    action_batch: int = 16
    """Labelled pairs per step for the joint action head, where demos are given."""
    action_weight: float = 1.0
    """Weight of the joint action head's loss."""

    @property
    def label_gap_s(self) -> float:
        """The gap that codes are written for, seconds."""
        return sorted(self.gap_s)[len(self.gap_s) // 2]

    @property
    def frame(self) -> FrameSpec:
        """Frames of the size the model reads."""
        return FrameSpec(height=self.model.height, width=self.model.width)


@dataclass(frozen=True)
class LabelledPairs:
    """The few labelled demos that stage 1 may learn from, with the frames they index."""

    pairs: ActionPairs
    store: FrameStore


def labelled_pairs(demos: Dataset, store: FrameStore, gap_s: tuple[float, ...]) -> LabelledPairs:
    """The joint action head's data: labelled episodes and their frames."""
    return LabelledPairs(ActionPairs(demos, store, gap_s), store)


def train_latents(
    config: LatentsConfig,
    store: FrameStore,
    pairs: FramePairs,
    run: RunDirectory,
    labelled: LabelledPairs | None = None,
) -> LatentActionModel:
    """Train on frame pairs; the finished weights are in `run`.

    Args:
        config: its ``model.action_dim`` is the demos' where `labelled` is given, else 0.
        store, pairs: the video.
        run: where it goes.
        labelled: demos for the joint action head.
    """
    device = pick_device()

    def load(
        frames: FrameStore, index: tuple[Indices, Indices], rng: np.random.Generator
    ) -> list[Tensor]:
        pair = [frames_to_tensor(frames.all[i], config.frame, device) for i in index]
        return augment(pair, rng, config.shift, config.light)

    def loss_function(model: nn.Module, rng: np.random.Generator) -> Losses:
        first, second = load(store, pairs.sample(rng, config.loop.batch), rng)
        predicted, quantized = model(first, second)
        squared = (predicted - second).square()
        loss = (squared * motion_weights(first, second, config.motion_weight)).mean()
        with torch.no_grad():
            copied = (first - second).square().mean()
            metrics = {
                "gain": 1 - squared.mean() / copied.clamp_min(1e-8),
                **code_usage(quantized.codes, config.model.quantizer.k),
            }
        if labelled:
            *index, action = labelled.pairs.sample(rng, config.action_batch)
            pair = load(labelled.store, (index[0], index[1]), rng)
            on_actions = action_loss(unwrap(model), pair, torch.from_numpy(action).to(device))
            loss = loss + config.action_weight * on_actions
            metrics["action"] = on_actions.detach()
        return loss + quantized.loss, metrics

    run.open(config)
    model = train(
        "train latents",
        lambda: LatentActionModel(config.model).to(device),
        loss_function,
        config.loop,
        run,
    )
    assert isinstance(model, LatentActionModel)
    return model


def action_loss(model: LatentActionModel, pair: list[Tensor], action: Tensor) -> Tensor:
    """Mean squared error of the joint head, on the latent and on its codes alike.

    The codes get their gradient straight through, so they too learn to tell actions apart.
    """
    assert model.to_action is not None
    latents = model.encode(*pair)
    chosen = model.quantizer.codebook[model.quantizer.nearest(latents)]
    quantized = latents + (chosen - latents).detach()
    return (
        F.mse_loss(model.to_action(latents.flatten(1)), action)
        + F.mse_loss(model.to_action(quantized.flatten(1)), action)
    ) / 2


def motion_weights(first: Tensor, second: Tensor, weight: float) -> Tensor:
    """Loss weights ``[b, 1, h, w]``: 1 where nothing moves, up to ``1 + weight`` where it does."""
    change = (second - first).abs().mean(1, keepdim=True)
    moved = F.avg_pool2d(change, 5, stride=1, padding=2)
    return 1 + weight * (moved * 4).clamp(max=1.0)


def code_usage(codes: Tensor, k: int) -> dict[str, Tensor]:
    """Perplexity of the codes ``[b, n]`` in [1, k], and how many of the k occur."""
    share = torch.bincount(codes.flatten(), minlength=k).float()
    share = share / share.sum().clamp_min(1)
    entropy = -(share * share.clamp_min(1e-12).log()).sum()
    return {"perplexity": entropy.exp(), "active": (share > 0).sum().float()}


def read_latent_model(run: RunDirectory) -> tuple[LatentsConfig, LatentActionModel]:
    """The finished stage-1 run: its config and its model, ready to label."""
    config = run.read_config(LatentsConfig)
    model = LatentActionModel(config.model).to(pick_device())
    load_weights(model, run.weights)
    return config, model.eval()
