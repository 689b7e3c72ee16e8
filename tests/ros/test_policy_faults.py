"""A policy that stalls, answers NaN, raises, or is slow and holds the interpreter."""

import time
from pathlib import Path

import numpy as np
import pytest
from bundles import write_tiny_bundle
from dds import OVER_DDS

pytestmark = OVER_DDS

PROGRAM = Path(__file__).with_name("faulty_node.py")
MAX_LATENT_AGE_S, MARGIN_S = 0.3, 0.1


@pytest.fixture(scope="module")
def fault(tmp_path_factory):
    """The file that says what the policy does wrong."""
    file = tmp_path_factory.mktemp("fault") / "fault"
    file.write_text("")
    return file


@pytest.fixture(scope="module")
def shared(shared_rigs, fault, tmp_path_factory):
    bundle = write_tiny_bundle(
        tmp_path_factory.mktemp("faulty") / "tiny",
        policy_hz=30.0, control_hz=100.0, max_latent_age_s=MAX_LATENT_AGE_S,
    )  # fmt: skip
    return shared_rigs.start(
        model_path=bundle.root, instruction="push left", autostart=True,
        program=[PROGRAM], environment={"FAULT": str(fault)},
    )  # fmt: skip


@pytest.fixture
def robot(shared, fault):
    """The module's robot, moving."""
    fault.write_text("")
    shared.drive()
    yield shared.robot
    fault.write_text("")
    assert shared.node.running()


@pytest.mark.parametrize("kind", ["nan", "raise", "stall"])
def test_a_fault_stops_the_robot_and_a_policy_that_recovers_moves_it(
    robot, shared, fault, machine, kind
):
    def begin():
        fault.write_text("")
        shared.drive()

    def spoil():
        began_s = time.monotonic()
        fault.write_text(kind)
        robot.listen(1.0)
        # The look under way when the fault came in is a good one, and may drive for its age.
        allowed_s = began_s + 1 / 30 + MAX_LATENT_AGE_S + MARGIN_S
        assert [heard for heard in robot.commands if heard.moves][-1].arrived_s < allowed_s

    machine.undisturbed(spoil, before=begin)
    fault.write_text("")
    robot.wait_for_command(moving=True, count=10)


def test_the_reason_of_a_stop_is_logged(robot, shared, fault):
    fault.write_text("raise")
    robot.wait_for_command(moving=False)
    robot.wait_until(lambda: "the accelerator is gone" in shared.node.log)


def test_100_hz_are_kept_while_the_policy_takes_60_ms_and_holds_the_interpreter(
    robot, fault, machine
):
    fault.write_text("slow")
    robot.listen(0.5)

    def listen():
        before = len(robot.latents)
        heard = robot.listen(5.0)
        assert 20 < len(robot.latents) - before < 5.0 / 0.060, "as slow as it should be"
        assert all(command.moves for command in heard)
        sent = np.array([command.sent_s for command in heard])
        assert (len(sent) - 1) / (sent[-1] - sent[0]) == pytest.approx(100.0, rel=0.01)

    machine.undisturbed(listen)
