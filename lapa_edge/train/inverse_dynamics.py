"""Inverse dynamics: which actions lie between two frames, learned from labels alone.

Stage 1's encoder with a linear head and no video loss: what the latents could tell of the motion
if every clip were labelled. VPT (arXiv 2206.11795) labels video with such a model.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from lapa_edge.model.latent_action import LatentActionModel
from lapa_edge.train.batches import augment, frames_to_tensor
from lapa_edge.train.device import pick_device
from lapa_edge.train.latents import LabelledPairs, LatentsConfig
from lapa_edge.train.loop import Losses, Validation, train
from lapa_edge.train.run_directory import RunDirectory

MAX_PAIRS, BATCH = 512, 64


def train_inverse_dynamics(
    config: LatentsConfig,
    labelled: LabelledPairs,
    run: RunDirectory,
    held_out: LabelledPairs | None = None,
) -> LatentActionModel:
    """Train the encoder and the joint head of stage 1 on labelled pairs alone.

    Args:
        config: as for stage 1; ``model.action_dim`` is the labels'. Its decoder stays untrained.
        labelled: the pairs and their frames.
        run: where it goes.
        held_out: pairs of demos not learned from: ``val_r2`` is measured on them, and the weights
            that do best there are kept beside the last ones.
    """
    device = pick_device()

    def loss_function(model: nn.Module, rng: np.random.Generator) -> Losses:
        *index, wanted = labelled.pairs.sample(rng, config.loop.batch)
        pair = [frames_to_tensor(labelled.store.gather(i), config.frame, device) for i in index]
        first, second = augment(pair, rng, config.shift, config.light)
        # Through the model's own call, which averages gradients over processes; one pair is its
        # video. Of the two answers, from latents and from codes, the first.
        predicted = model(first[:1], second[:1], labelled=(first, second)).actions[0]
        loss = F.mse_loss(predicted, torch.from_numpy(wanted).to(device))
        return loss, {"unexplained": loss}

    def look(model: nn.Module) -> dict[str, float]:
        assert held_out and isinstance(model, LatentActionModel)
        return {"val_r2": explained(model, config, held_out)}

    fingerprint = labelled.fingerprint() + (held_out.fingerprint() if held_out else "")
    model = train(
        "train inverse dynamics",
        lambda: LatentActionModel(config.model).to(device),
        loss_function,
        config.loop,
        run,
        config,
        data=fingerprint,
        validation=Validation(look, best="val_r2") if held_out else None,
    )
    assert isinstance(model, LatentActionModel)
    return model


@torch.no_grad()
def explained(model: LatentActionModel, config: LatentsConfig, held_out: LabelledPairs) -> float:
    """R2 of the actions of at most 512 pairs, over all their dimensions.

    0 is what the mean of the demos' actions explains: zero, for they are normalised.
    """
    device = pick_device()
    first, second, wanted = held_out.pairs.spread(MAX_PAIRS)
    wrong = 0.0
    for start in range(0, len(wanted), BATCH):
        part = slice(start, start + BATCH)
        pair = (
            frames_to_tensor(held_out.store.gather(i[part]), config.frame, device)
            for i in (first, second)
        )
        error = model.read_actions(*pair).float().cpu().numpy() - wanted[part]
        wrong += float(np.square(error, dtype=np.float64).sum())
    spread = float(np.square(wanted, dtype=np.float64).sum())
    return 1 - wrong / max(spread, 1e-9)
