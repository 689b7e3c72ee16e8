"""UniPi: a frame predictor learned from the video, and the demos' inverse dynamics behind it.

Nothing is fine-tuned: the two are joined to an agent whose context is the chunk of actions, and
whose head hands that through. So it exports, runs and is profiled as any other agent.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from lapa_edge.data.episode import Dataset
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.data.pairs import FramePairs
from lapa_edge.model.policy import PolicyConfig
from lapa_edge.model.unipi import InstructedPredictor, UniPi, pass_through
from lapa_edge.spec import FrameSpec
from lapa_edge.tokenizer import Tokenizer
from lapa_edge.train.actions import ActionsConfig, build_agent
from lapa_edge.train.baselines.inverse import Inverse
from lapa_edge.train.batches import augment, frames_to_tensor
from lapa_edge.train.device import pick_device
from lapa_edge.train.latent_losses import gain_over_copy, pixel_loss
from lapa_edge.train.loop import LoopConfig, Losses, train
from lapa_edge.train.run_directory import RunDirectory
from lapa_edge.train.words import encode_instructions

REPLAN_FRAMES = 2
"""Frames of the video between two looks (UniPi as LAPA ran it: every two actions)."""


@dataclass(frozen=True)
class PredictorConfig:
    """Settings of the frame predictor; losses and augmentation are stage 1's."""

    tokenizer: Tokenizer
    """Vocabulary of the instructions."""
    model: PolicyConfig
    """The trunk."""
    gap_s: float
    """Time from the frame to the predicted one, seconds."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=600))
    """The training loop."""
    motion_weight: float = 20.0
    """Extra weight of the pixels that change between the two frames."""
    scales: tuple[int, ...] = (1, 4, 16)
    """Pixels over which the loss averages frames."""
    shift: int = 4
    """Augmentation: largest random shift, pixels."""
    light: float = 0.1
    """Augmentation: largest relative change of light."""


def train_predictor(
    config: PredictorConfig, video: Dataset, store: FrameStore, run: RunDirectory
) -> InstructedPredictor:
    """Train on frame pairs and their instructions; the finished weights are in `run`.

    Raises:
        DataError: no frame pair lies a gap apart.
    """
    device = pick_device()
    frame = FrameSpec(height=config.model.height, width=config.model.width)
    pairs = FramePairs(store, (config.gap_s,), video.fps, truncate=False)
    by_name = encode_instructions(config.tokenizer, video)
    ids = np.stack([by_name[name] for name in store.names])
    offsets = np.array([store.offset(name) for name in store.names])

    def loss_function(model: nn.Module, rng: np.random.Generator) -> Losses:
        index = pairs.sample(rng, config.loop.batch)
        pair = [frames_to_tensor(store.gather(i), frame, device) for i in index]
        first, second = augment(pair, rng, config.shift, config.light)
        words = ids[np.searchsorted(offsets, index[0], side="right") - 1]
        predicted = model(first, torch.from_numpy(words).to(device))
        loss = pixel_loss(predicted, first, second, config.motion_weight, config.scales)
        return loss, {"gain": gain_over_copy(predicted.detach(), first, second)}

    def build() -> nn.Module:
        words = config.tokenizer
        return InstructedPredictor(config.model, words.vocabulary_size, words.max_tokens).to(device)

    model = train(
        "train frame predictor", build, loss_function, config.loop, run, config,
        data=store.fingerprint(),
    )  # fmt: skip
    assert isinstance(model, InstructedPredictor)
    return model


def assemble(
    config: ActionsConfig, predictor: InstructedPredictor, inverse: Inverse, run: RunDirectory
) -> None:
    """Join the two parts to a finished stage-3 run; one that is finished stays as it is.

    Args:
        config: with ``unipi``, a trunk like the predictor's and ``p * a`` as its context.
        predictor: trained.
        inverse: trained; the gap that it reads is the one that is predicted.
        run: where it goes.
    """
    run.open(config, inverse=inverse.fingerprint)
    if run.finished:
        return
    agent = build_agent(config, None)
    policy = agent.instructed.policy
    assert isinstance(policy, UniPi)
    agent.instructed.text.load_state_dict(predictor.text.state_dict())
    policy.predictor.load_state_dict(predictor.predictor.state_dict())
    policy.inverse.load_state_dict(inverse.model.state_dict())
    pass_through(agent.head, config.spec.head_slices()["context"])
    run.finish(agent)
