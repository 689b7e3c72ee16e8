"""The head's calibration: every layer, every column, and the values a robot may meet."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
import torch
from agents import tiny_agent

from lapa_edge.errors import RuntimeInputError
from lapa_edge.export.calibration import HEADROOM, calibrate_head
from lapa_edge.export.observations import random_observations
from lapa_edge.export.reference import look


@pytest.fixture
def calibrated():
    config, agent = tiny_agent()
    observations = random_observations(config.spec, config.tokenizer, 6)
    return config, agent, observations, calibrate_head(config, agent, observations)


def test_every_input_of_every_layer_has_a_range_above_zero(calibrated):
    _, agent, _, calibration = calibrated
    weights = agent.head.state_dict()
    layers = [name.removesuffix(".weight") for name in weights if name.endswith(".weight")]
    assert sorted(calibration) == sorted(layers)
    for layer, largest in calibration.items():
        assert largest.dtype == np.float32
        assert largest.shape == (weights[f"{layer}.weight"].shape[1],)
        assert (largest > 0).all()


def test_ranges_hold_what_was_seen_and_any_code(calibrated):
    config, agent, observations, calibration = calibrated
    seen = look(config, agent, observations).x.abs().amax(dim=0).detach().numpy()
    assert (calibration["input"] >= HEADROOM * seen).all()
    latent = calibration["input"][config.spec.head_slices()["latent"]].reshape(3, -1)
    assert (latent >= agent.codebook.abs().amax(dim=0).numpy()).all()
    assert calibration["input"][-1] >= 1  # the oldest latent


def test_a_stop_action_far_from_the_demos_is_within_range():
    config, agent = tiny_agent()
    action = msgspec.structs.replace(config.spec.action, mean=(1.0, 0.05), std=(0.01, 0.4))
    config = replace(config, spec=msgspec.structs.replace(config.spec, action=action))
    observations = random_observations(config.spec, config.tokenizer, 6)
    observations = replace(observations, last_actions=np.tile(np.float32([1.0, 0.0]), (6, 1)))
    largest = calibrate_head(config, agent, observations)["input"]
    assert largest[config.spec.head_slices()["last_action"]][0] == pytest.approx(HEADROOM * 100)


def test_a_dead_unit_gets_the_usual_range():
    config, agent = tiny_agent()
    with torch.no_grad():
        agent.head.input.weight[3] = 0
        agent.head.input.bias[3] = -1
    observations = random_observations(config.spec, config.tokenizer, 6)
    largest = calibrate_head(config, agent, observations)["blocks.0.up"]
    assert largest[3] == np.sort(np.delete(largest, 3))[7]  # the lower median of fifteen


def test_observations_that_do_not_fit_are_refused(calibrated):
    config, agent, observations, _ = calibrated
    with pytest.raises(RuntimeInputError, match="expected at least 1, got 0"):
        calibrate_head(config, agent, replace(observations, frames=[]))
