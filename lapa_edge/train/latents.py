"""Stage 1, ``lapa-train latents``: video without actions in, a latent action model out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from lapa_edge.data.frame_store import FrameStore
from lapa_edge.data.pairs import FramePairs
from lapa_edge.model.latent_action import LatentActionConfig, LatentActionModel
from lapa_edge.spec import FrameSpec
from lapa_edge.train.batches import augment, frames_to_tensor
from lapa_edge.train.device import pick_device
from lapa_edge.train.loop import LoopConfig, train
from lapa_edge.train.run_directory import RunDirectory, load_weights


@dataclass(frozen=True)
class LatentsConfig:
    """Stage 1 settings; frames are as large as ``model.height`` and ``model.width`` say."""

    model: LatentActionConfig = field(default_factory=LatentActionConfig)
    """The network."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=600))
    """The training loop."""
    gap_s: tuple[float, ...] = (0.3, 0.4, 0.5)
    """Times between the two frames, seconds; one is drawn per pair. The middle one labels."""
    shift: int = 4
    """Augmentation: largest random shift, pixels."""
    light: float = 0.1
    """Augmentation: largest relative change of light."""
    motion_weight: float = 4.0
    """Extra weight of the pixels that change between the two frames; 0 is plain MSE."""

    @property
    def label_gap_s(self) -> float:
        """The gap that codes are written for, seconds."""
        return sorted(self.gap_s)[len(self.gap_s) // 2]

    @property
    def frame(self) -> FrameSpec:
        """Frames of the size the model reads."""
        return FrameSpec(height=self.model.height, width=self.model.width)


def train_latents(
    config: LatentsConfig, store: FrameStore, pairs: FramePairs, run: RunDirectory
) -> LatentActionModel:
    """Train on frame pairs; the finished weights are in `run`."""
    device = pick_device()

    def loss_function(
        model: nn.Module, rng: np.random.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        first_index, second_index = pairs.sample(rng, config.loop.batch)
        first = frames_to_tensor(store.all[first_index], config.frame, device)
        second = frames_to_tensor(store.all[second_index], config.frame, device)
        first, second = augment([first, second], rng, config.shift, config.light)
        predicted, quantized = model(first, second)
        squared = (predicted - second).square()
        loss = (squared * motion_weights(first, second, config.motion_weight)).mean()
        with torch.no_grad():
            copied = (first - second).square().mean()
            metrics = {
                "gain": 1 - squared.mean() / copied.clamp_min(1e-8),
                **code_usage(quantized.codes, config.model.quantizer.k),
            }
        return loss + quantized.loss, metrics

    run.open(config)
    model = train(
        "train latents", lambda: LatentActionModel(config.model).to(device), loss_function,
        config.loop, run,
    )  # fmt: skip
    assert isinstance(model, LatentActionModel)
    return model


def motion_weights(first: Tensor, second: Tensor, weight: float) -> Tensor:
    """Loss weights ``[b, 1, h, w]``: 1 where nothing moves, up to ``1 + weight`` where it does."""
    change = (second - first).abs().mean(1, keepdim=True)
    moved = torch.nn.functional.avg_pool2d(change, 5, stride=1, padding=2)
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
