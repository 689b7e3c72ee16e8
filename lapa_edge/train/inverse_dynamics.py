"""Inverse dynamics: which action lies between two frames, learned from labels alone.

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
from lapa_edge.train.loop import Losses, train
from lapa_edge.train.run_directory import RunDirectory


def train_inverse_dynamics(
    config: LatentsConfig, labelled: LabelledPairs, run: RunDirectory
) -> LatentActionModel:
    """Train the encoder and the joint head of stage 1 on labelled pairs alone.

    Args:
        config: as for stage 1; ``model.action_dim`` is the labels'. Its decoder stays untrained.
        labelled: the pairs and their frames.
        run: where it goes.
    """
    device = pick_device()

    def loss_function(model: nn.Module, rng: np.random.Generator) -> Losses:
        *index, wanted = labelled.pairs.sample(rng, config.loop.batch)
        pair = [frames_to_tensor(labelled.store.all[i], config.frame, device) for i in index]
        first, second = augment(pair, rng, config.shift, config.light)
        # Through the model's own call, which averages gradients over processes; one pair is its
        # video. Of the two answers, from latents and from codes, the first.
        predicted = model(first[:1], second[:1], labelled=(first, second)).actions[0]
        loss = F.mse_loss(predicted, torch.from_numpy(wanted).to(device))
        return loss, {"unexplained": loss}

    model = train(
        "train inverse dynamics",
        lambda: LatentActionModel(config.model).to(device),
        loss_function,
        config.loop,
        run,
        config,
        data=labelled.fingerprint(),
    )
    assert isinstance(model, LatentActionModel)
    return model
