"""The launch file as installed, executed: the installed script runs, and does what was said.

By ``ros2 launch`` where launch_ros is installed, by `small_launch` elsewhere.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="NOT CHECKED: rclpy is not installed")
from launched import Launched, Neighbour

# A parser that rclpy brings along imports sre_parse.
pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")


@pytest.fixture
def launch(share, ros_environment, tmp_path):
    """A function that runs policy.launch.py with arguments; what still runs is ended."""
    started = []

    def start(**values):
        log = tmp_path / f"log_{len(started)}"
        file = share / "launch" / "policy.launch.py"
        started.append(Launched(file, log, ros_environment, **values))
        return started[-1]

    yield start
    for launched in started:
        launched.kill()


@pytest.fixture
def neighbour(ros_environment):
    other = Neighbour()
    yield other
    other.close()


def test_the_node_is_active_by_itself_and_ends_well_on_ctrl_c(launch, neighbour, bundle):
    launched = launch(model_path=bundle)
    neighbour.wait_until_active("policy")
    assert launched.interrupt() == 0
    assert "exit status 0" in launched.output or "finished cleanly" in launched.output


def test_every_argument_reaches_the_node(launch, neighbour, bundle, tmp_path):
    python = tmp_path / "a folder" / "python"  # an interpreter that can be told from any other
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\necho "by the given python"\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    launched = launch(
        model_path=bundle,
        instruction="1",  # must not arrive as a number
        image_transport="compressed",
        start_enabled="true",
        dry_run="true",
        use_sim_time="true",
        namespace="left",
        image_topic="/wrist/image",
        joint_states_topic="joints",
        params_file=config(tmp_path, "image_timeout: 0.4"),
        log_level="debug",
        python=python,
    )
    neighbour.wait_until_active("left/policy")
    told = neighbour.parameters(
        "left/policy", "model_path", "instruction", "start_enabled", "dry_run", "use_sim_time",
        "image_timeout", "image_transport",
    )  # fmt: skip
    assert told == [str(bundle), "1", True, True, True, 0.4, "compressed"]
    heard = {"/wrist/image/compressed", "/left/joints", "/left/policy/command"}
    neighbour.run_until(lambda: heard <= neighbour.topics(), f"topics {heard}")
    assert "by the given python" in launched.output
    assert "[DEBUG]" in launched.output
    assert launched.interrupt() == 0


def test_commands_go_where_they_are_sent(launch, neighbour, bundle):
    launch(model_path=bundle, command_topic="/arm/commands")
    neighbour.run_until(lambda: "/arm/commands" in neighbour.topics(), "/arm/commands")


def test_what_an_argument_leaves_empty_is_as_the_file_has_it(launch, neighbour, bundle, tmp_path):
    file = config(tmp_path, "instruction: from the file", f"model_path: {bundle}", "dry_run: true")
    launch(params_file=file)
    neighbour.wait_until_active("policy")
    assert neighbour.parameters("policy", "instruction", "dry_run") == ["from the file", True]


def test_without_autostart_the_node_waits(launch, neighbour, bundle):
    launch(model_path=bundle, autostart="false")
    assert neighbour.state("policy") == "unconfigured"


def test_a_missing_parameter_file_starts_nothing(launch, bundle):
    launched = launch(model_path=bundle, params_file="limits_of_my_arm.yaml")
    assert launched.wait() == 1
    assert "limits_of_my_arm.yaml" in launched.output


def test_a_switch_that_is_neither_true_nor_false_starts_nothing(launch, bundle):
    launched = launch(model_path=bundle, dry_run="perhaps")
    assert launched.wait() == 1
    assert "perhaps" in launched.output


def test_a_bundle_that_is_missing_ends_the_node(launch, tmp_path):
    launched = launch(model_path=tmp_path / "nowhere")
    launched.wait()
    assert "exit status 1" in launched.output or "exit code 1" in launched.output
    assert "nowhere" in launched.output


def config(folder: Path, *lines: str) -> Path:
    """A parameter file with these lines."""
    path = folder / "mine.yaml"
    path.write_text("/**:\n  ros__parameters:\n" + "".join(f"    {line}\n" for line in lines))
    return path


def test_the_real_launch_is_used_where_it_is(monkeypatch):
    import importlib.util

    from launched import launch_command

    monkeypatch.setattr(shutil, "which", lambda name: f"/opt/{name}")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    assert launch_command(Path("x.launch.py")) == ["ros2", "launch", "lapa_edge", "x.launch.py"]
