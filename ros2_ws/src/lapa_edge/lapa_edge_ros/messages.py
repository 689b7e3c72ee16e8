"""What the node says: commands and latents as standard messages."""

from __future__ import annotations

import json

import numpy as np
from std_msgs.msg import Float64MultiArray, MultiArrayDimension, MultiArrayLayout, String

from lapa_edge.runtime.policy import Latent
from lapa_edge.runtime.safety import Command
from lapa_edge.spec import ActionSpec


def command_message(command: Command, spec: ActionSpec) -> Float64MultiArray:
    """The action in physical units; the layout's one dimension is labelled with the names."""
    action = command.action.astype(np.float64)
    assert np.isfinite(action).all(), "the safety gate let a non-finite action through"
    a = len(spec.names)
    label = MultiArrayDimension(label=",".join(spec.names), size=a, stride=a)
    return Float64MultiArray(layout=MultiArrayLayout(dim=[label]), data=action.tolist())


def latent_message(latent: Latent, instruction: str, now_s: float) -> String:
    """JSON: ``codes`` [n], ``age_s`` since the image's receipt, ``instruction``."""
    said = {
        "codes": latent.codes.tolist(),
        "age_s": round(now_s - latent.seen_at_s, 6),
        "instruction": instruction,
    }
    return String(data=json.dumps(said))
