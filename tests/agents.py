"""A stage-3 agent small enough for any test, with the config that describes it; needs torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from bundles import WORDS, tiny_spec
from msgspec.structs import replace

from lapa_edge.model.action_head import ActionHeadConfig
from lapa_edge.model.agent import Agent
from lapa_edge.model.policy import PolicyConfig
from lapa_edge.spec import HEAD_PARTS, Decoding
from lapa_edge.tokenizer import build_tokenizer
from lapa_edge.train.action_bins import fill_bins
from lapa_edge.train.actions import ActionsConfig, build_agent
from lapa_edge.train.run_directory import RunDirectory


def tiny_agent(
    n: int = 3,
    seed: int = 0,
    decoding: Decoding = "direct",
    look_state: bool = False,
    **policy: Any,
) -> tuple[ActionsConfig, Agent]:
    """A randomly initialised agent with `n` codes of 4; ``n=0`` is Scratch, without codes.

    `policy` are further fields of its `PolicyConfig`.
    """
    spec = replace(
        tiny_spec(n=n, k=4, d=3, context_dim=8 + 4 * look_state, height=32, width=32),
        cameras=policy.get("cameras", PolicyConfig.cameras),
        policy_state=look_state or "state_names" in policy,
    )
    if decoding != "direct":
        steps, bins = (3, 0) if decoding == "flow" else (0, 5)
        action = replace(spec.action, decoding=decoding, flow_steps=steps, bins=bins)
        spec = replace(spec, action=action, head_inputs=HEAD_PARTS)
    config = ActionsConfig(
        spec=spec,
        tokenizer=build_tokenizer([WORDS], max_tokens=spec.text.max_tokens),
        policy=PolicyConfig(
            height=32,
            width=32,
            patch=8,
            d=32,
            heads=2,
            layers=1,
            text_dim=spec.text.d,
            context_dim=8,
            **policy,
        ),
        head=ActionHeadConfig(width=16, blocks=2),
        look_state=look_state,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        agent = build_agent(config, None)
        if n:
            agent.codebook.normal_()
        if agent.bins is not None:
            fill_bins(agent.bins, spec.action, torch.randn(200, len(spec.action.names)).numpy())
        # Biases and norms start at 0 and 1, where a graph that dropped them would still agree.
        for parameter in agent.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    return config, agent.eval()


def write_tiny_run(root: Path, n: int = 3) -> RunDirectory:
    """A finished stage-3 run of `tiny_agent` on disk."""
    config, agent = tiny_agent(n)
    run = RunDirectory(root)
    run.open(config)
    run.finish(agent)
    return run
