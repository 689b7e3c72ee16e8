"""A robot arm's bundle with random weights: 256 inputs, a block of 256, 56 outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from bundles import write_tiny_bundle

from lapa_edge.artifact import Bundle
from lapa_edge.runtime.policy import Latent

FOREVER_S = 3600.0  # inputs are set once: what is measured is the loop, not how they arrive


def build_robot(folder: Path) -> Bundle:
    """128 floats of latent, 107 of context, 13 of state, 7 of action, 1 of age."""
    lengths = {"n": 4, "k": 8, "d": 32, "context_dim": 107, "s": 13, "a": 7, "chunk": 8}
    return write_tiny_bundle(
        folder, head_width=256, head_blocks=1, max_latent_age_s=FOREVER_S, **lengths
    )


def draw_latent(bundle: Bundle, seen_at_s: float) -> Latent:
    """Some latent of the right size."""
    rng, spec = np.random.default_rng(0), bundle.spec
    vector, context = (
        rng.normal(size=size).astype(np.float32) for size in (spec.latent_dim, spec.context_dim)
    )
    return Latent(np.zeros(4, np.int32), vector, context, seen_at_s)


def draw_state(bundle: Bundle) -> np.ndarray:
    """Some state of the right size."""
    return np.random.default_rng(1).normal(size=len(bundle.spec.state.names)).astype(np.float32)
