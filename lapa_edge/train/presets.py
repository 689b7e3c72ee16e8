"""Named sizes of the networks, so that a user picks a word and not twelve numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lapa_edge.model.action_head import ActionHeadConfig
from lapa_edge.model.latent_action import LatentActionConfig
from lapa_edge.model.policy import PolicyConfig

PresetName = Literal["debug", "tiny", "small"]


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
}  # fmt: skip
