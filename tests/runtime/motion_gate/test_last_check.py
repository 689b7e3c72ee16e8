"""A bug before the last check stops the robot and is counted, whatever it is."""

from dataclasses import replace

import numpy as np
import pytest
from motion_gates import PERIOD_S, build_gate, fresh, hand_robot, run, wants

from lapa_edge.runtime.motion_gate import gate as gate_module
from lapa_edge.runtime.motion_gate.clamps import Clamps
from lapa_edge.runtime.motion_gate.reasons import StopReason
from lapa_edge.runtime.safety import Command

GO = (0.5, 0, 0, 0, 0, 0.5, 0.5)
LIMITS = {
    "max_linear_velocity_m_s": 0.5,
    "max_angular_velocity_rad_s": 0.5,
    "max_acceleration": 100.0,
    "workspace_min_m": (-1, -1, -1),
    "workspace_max_m": (1, 1, 1),
}


def build(**limits):
    return build_gate(hand_robot(), **(LIMITS | limits))


def spoil(monkeypatch, change):
    """Let the clamps answer with another motion."""
    honest = Clamps.move

    def move(self, *args):
        return change(honest(self, *args))

    monkeypatch.setattr(Clamps, "move", move)


def set_action(dim, value):
    def change(motion):
        action, velocity = motion.action.copy(), list(motion.velocity)
        action[dim] = value
        velocity[dim] = value
        return replace(motion, action=action, velocity=velocity)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_action(6, np.nan), "not within the bundle's low and high"),
        (set_action(6, np.inf), "not within the bundle's low and high"),
        (set_action(6, 1.001), "not within the bundle's low and high"),
        (set_action(1, 0.51), "linear_velocity: 0.714"),
        (set_action(5, 0.51), "angular_velocity: 0.51 is more than 0.5"),
        (lambda m: replace(m, action=m.action[:6]), "the command is float32 [6]"),
        (lambda m: replace(m, action=m.action.astype(float)), "the command is float64 [7]"),
        (lambda m: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_motion_that_breaks_a_rule_does_not_leave(monkeypatch, change, words):
    gate = build()
    run(gate, GO)
    spoil(monkeypatch, change)
    (command,) = run(gate, GO)
    assert (command.reason, words in command.stopped) == (StopReason.INTERNAL, True), command
    assert command.action.tolist() == [0, 0, 0, 0, 0, 0, 0.5]
    assert gate.counts.read().stops["internal"] == 1


def test_a_change_that_is_too_fast_does_not_leave(monkeypatch):
    gate = build(max_acceleration=1.0)
    spoil(monkeypatch, set_action(0, 0.02))
    (command,) = run(gate, GO)
    assert "its change 0.02 is more than 0.01" in command.stopped


def test_a_motion_out_of_the_workspace_does_not_leave(monkeypatch):
    gate = build()
    spoil(monkeypatch, set_action(0, 0.5))
    (command,) = run(gate, GO, state=(1 - 0.4 * PERIOD_S, 0, 0))
    assert "workspace: 1.001 is not in -1 to 1" in command.stopped


def test_braking_that_gets_faster_does_not_leave(monkeypatch):
    gate = build(stale_action="decelerate")
    run(gate, (0.25, 0, 0, 0, 0, 0, 0))
    honest = Clamps.brake
    monkeypatch.setattr(
        Clamps, "brake", lambda *args, **more: set_action(0, 0.3)(honest(*args, **more))
    )
    (command,) = run(gate, GO, latent_age_s=0.6)
    assert "linear_velocity: 0.3 is more than 0.25" in command.stopped
    assert not command.action[:6].any()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image_received_s": 999.7}, "image is 0.3 s old"),
        ({"image_received_s": None}, "there is no image"),
        ({"image_received_s": 1001.0}, "image is -1 s old"),
        ({"image_stamp_s": 1.7e9 - 1}, "stamp is 1.05 s old"),
        ({"image_stamp_s": 1.7e9 + 1}, "stamp is -0.95 s old"),
        ({"latent_age_s": float("nan")}, "latent is nan s old"),
        ({"latent_age_s": 0.6}, "latent is 0.6 s old"),
        ({"state_age_s": 0.3}, "state is 0.3 s old"),
        ({"chunk_age_s": -1.0}, "chunk is -1 s old"),
    ],
)
def test_an_input_that_is_late_does_not_pass_even_where_permission_forgets_it(
    monkeypatch, changes, words
):
    monkeypatch.setattr(gate_module, "first_stop", lambda *args, **more: None)
    (command,) = run(build(), GO, **changes)
    assert (command.reason, words in command.stopped) == (StopReason.INTERNAL, True), command


@pytest.mark.parametrize(
    ("command", "changes"),
    [
        (wants(*GO), {"state": "here"}),
        (wants(*GO), {"now_s": None}),
        (wants(*GO), {"latent_age_s": "young"}),
        (Command(None, None, 0, 0.1), {}),
        (Command(np.array(["a"] * 7, object), None, 0, 0.1), {}),
    ],
    ids=["state", "clock", "age", "no action", "words"],
)
def test_what_was_never_foreseen_stops_the_robot(command, changes):
    gate = build()
    run(gate, GO)
    gated = gate.decide(command, replace(fresh((0, 0, 0)), **changes))
    assert gated.reason is StopReason.INTERNAL
    assert gated.action.tolist() == [0, 0, 0, 0, 0, 0, 0.5]


def test_after_a_bug_the_robot_starts_from_still():
    gate = build(max_acceleration=1.0)
    run(gate, *[GO] * 9)
    gate.decide(wants(*GO), replace(fresh((0, 0, 0)), now_s=None))
    (command,) = run(gate, GO)
    assert command.action[0] == pytest.approx(0.01, rel=1e-5)
