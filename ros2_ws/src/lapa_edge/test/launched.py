"""A launch file of this package as a running process, and what the node's neighbours see of it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rclpy
from lifecycle_msgs.srv import GetState
from rcl_interfaces.srv import GetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import parameter_value_to_python

END_S = 15.0  # of a slow shared machine; the node itself needs a fraction of a second


def launch_command(file: Path) -> list[str]:
    """``ros2 launch`` where launch_ros is installed, the small stand-in elsewhere."""
    if shutil.which("ros2") and importlib.util.find_spec("launch_ros"):
        return ["ros2", "launch", "lapa_edge", file.name]
    return [sys.executable, str(Path(__file__).with_name("small_launch.py")), str(file)]


class Launched:
    """A launch in a process group of its own; everything it says is kept."""

    def __init__(
        self, file: Path, log: Path, environment: dict[str, str], **values: object
    ) -> None:
        self._log = log
        words = [f"{name}:={value}" for name, value in values.items()]
        with log.open("w") as out:
            self._process = subprocess.Popen(
                [*launch_command(file), *words],
                env=environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """What launch and its processes have said so far."""
        return self._log.read_text()

    def interrupt(self) -> int:
        """Ctrl-C in a terminal: SIGINT to the whole group; the exit status."""
        os.killpg(self._process.pid, signal.SIGINT)
        return self.wait()

    def wait(self, timeout_s: float = END_S) -> int:
        """The exit status, once it is there."""
        return self._process.wait(timeout_s)

    def kill(self) -> None:
        """End whatever is left, and show a failing test what was said."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        print(self.output)


class Neighbour:
    """Another node, which asks the policy node and hears its commands."""

    def __init__(self) -> None:
        self._context = rclpy.Context()
        self._context.init()
        self.node = rclpy.create_node("neighbour", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)

    def close(self) -> None:
        """Leave the network."""
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

    def run_until(self, reached: Callable[[], Any], what: str, timeout_s: float = 30.0) -> None:
        """Listen until `reached()`."""
        end_s = time.monotonic() + timeout_s
        while not reached():
            assert time.monotonic() < end_s, f"{what}: not within {timeout_s} s"
            self._executor.spin_once(timeout_sec=0.05)

    def wait_until_active(self, node: str) -> None:
        """Until the lifecycle node says that it is active."""
        self.run_until(lambda: self.state(node) == "active", f"{node} is active")

    def state(self, node: str) -> str:
        """The label of a node's lifecycle state."""
        return self._call(GetState, f"{node}/get_state", GetState.Request()).current_state.label

    def parameters(self, node: str, *names: str) -> list[Any]:
        """Values of a node's parameters."""
        request = GetParameters.Request(names=list(names))
        answer = self._call(GetParameters, f"{node}/get_parameters", request)
        return [parameter_value_to_python(value) for value in answer.values]

    def topics(self) -> set[str]:
        """Names of the topics that somebody writes or reads."""
        return {name for name, _ in self.node.get_topic_names_and_types()}

    def _call(self, kind: Any, name: str, request: Any) -> Any:
        client = self.node.create_client(kind, name)
        self.run_until(client.service_is_ready, f"service {name}")
        future = client.call_async(request)
        self.run_until(future.done, f"an answer of {name}")
        self.node.destroy_client(client)
        return future.result()
