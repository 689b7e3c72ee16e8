"""A UniPi agent in a bundle: the robot's runtime plays its plan, and knows nothing of video."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from agents import tiny_agent
from msgspec.structs import replace as change

from lapa_edge.artifact import Bundle
from lapa_edge.export.bundle import export_checked_bundle
from lapa_edge.export.observations import random_observations
from lapa_edge.export.parity import ParityReport
from lapa_edge.model.latent_action import LatentActionConfig
from lapa_edge.model.unipi import UniPiConfig, pass_through
from lapa_edge.runtime.session import Session
from lapa_edge.train.actions import build_agent


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, ParityReport]:
    config, _ = tiny_agent(n=0)
    a, plan = len(config.spec.action.names), config.spec.chunk_dim
    inverse = LatentActionConfig(
        height=32, width=32, patch=8, d=32, heads=2, n=2, action_dim=2 * a, decoder_layers=0
    )
    config = replace(
        config,
        spec=change(config.spec, context_dim=plan),
        policy=replace(config.policy, context_dim=plan),
        head=replace(config.head, width=2 * plan),
        unipi=UniPiConfig(inverse=inverse, action_dim=a),
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        agent = build_agent(config, None).eval()
        for parameter in agent.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    pass_through(agent.head, config.spec.head_slices()["context"])
    observations = random_observations(config.spec, config.tokenizer, 8, seed=0)
    root = tmp_path_factory.mktemp("unipi") / "bundle"
    return export_checked_bundle(config, agent, root, {}, observations)


def test_it_passes_parity_and_runs_in_every_precision(
    exported: tuple[Bundle, ParityReport],
) -> None:
    assert not exported[1].unfit


def test_the_first_action_of_the_plan_is_the_command(exported: tuple[Bundle, ParityReport]) -> None:
    bundle, _ = exported
    spec = bundle.spec
    session = Session(bundle, "push the red block")
    frame = np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    latent = session.look(frame, 0.0)
    session.accept(latent)
    state = np.array(spec.state.mean, np.float32)
    command = session.act(state, 0.05)
    planned = latent.context[: len(spec.action.names)] * spec.action.std + spec.action.mean
    assert command.stopped is None
    assert command.action == pytest.approx(
        np.clip(planned, spec.action.low, spec.action.high), abs=1e-6
    )
