"""Named sizes of the networks, so that a user picks a word and not twelve numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from lapa_edge.model.action_head import ActionHeadConfig
from lapa_edge.model.latent_action import LatentActionConfig
from lapa_edge.model.policy import PolicyConfig
from lapa_edge.model.published import PublishedConfig
from lapa_edge.model.published_quantizer import PublishedQuantizerConfig
from lapa_edge.train.latents import LatentsConfig
from lapa_edge.train.loop import LoopConfig

PresetName = Literal["debug", "tiny", "small", "base"]


@dataclass(frozen=True)
class Preset:
    """The three networks of one size."""

    latents: LatentActionConfig
    policy: PolicyConfig
    head: ActionHeadConfig


PRESETS: dict[str, Preset] = {
    # Learns nothing worth having, in seconds: what the tests and `lapa-demo --quick` run.
    "debug": Preset(
        LatentActionConfig(
            height=48, width=48, d=32, heads=2, spatial_layers=1, temporal_layers=1,
            decoder_layers=1,
        ),
        PolicyConfig(height=48, width=48, d=32, heads=2, layers=1, text_dim=16, context_dim=16),
        ActionHeadConfig(width=64, blocks=1),
    ),
    # Made for two CPU cores.
    "tiny": Preset(LatentActionConfig(), PolicyConfig(), ActionHeadConfig()),
    # Made for one GPU.
    "small": Preset(
        LatentActionConfig(
            height=128, width=128, d=384, heads=6, spatial_layers=2, temporal_layers=4,
            decoder_layers=4,
        ),
        PolicyConfig(
            height=128, width=128, d=384, heads=6, layers=8, text_dim=128, context_dim=128
        ),
        ActionHeadConfig(width=512),
    ),
    # The largest that is meant for a robot: an agent of at most 30M parameters.
    "base": Preset(
        LatentActionConfig(
            height=160, width=160, d=448, heads=7, spatial_layers=2, temporal_layers=4,
            decoder_layers=4,
        ),
        PolicyConfig(
            height=160, width=160, d=512, heads=8, layers=7, text_dim=128, context_dim=128
        ),
        ActionHeadConfig(width=512),
    ),
}  # fmt: skip


def published_latents(n: int, k: int, loop: LoopConfig) -> LatentsConfig:
    """Stage 1 as published: its network, and its way of training at the given length and rate.

    Adam at a constant rate, clipped at 0.5; plain MSE of unaltered frames. The published run took
    100k steps of batch 64 at 1e-4.
    """
    return LatentsConfig(
        published=PublishedConfig(n=n, quantizer=PublishedQuantizerConfig(k=k)),
        loop=replace(loop, schedule="constant", warmup_steps=0, weight_decay=0.0, clip_norm=0.5),
        shift=0,
        light=0.0,
        motion_weight=0.0,
        scales=(1,),
    )
