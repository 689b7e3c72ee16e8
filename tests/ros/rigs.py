"""A robot and a node that belong together, and a place where several live side by side."""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from dataclasses import dataclass

from fake_robot import FakeRobot
from node_process import NodeProcess

_numbers = itertools.count(1)


@dataclass(frozen=True, eq=False)
class Rig:
    """One robot and its node."""

    robot: FakeRobot
    node: NodeProcess

    def drive(self):
        """Until the robot moves."""
        self.robot.drive()


class Rigs:
    """Starts rigs, each in a namespace of its own, and ends whatever still runs at the end.

    Starting does not wait for the node: start what is needed together, then use one by one.

    Args:
        environment: of every node.
        tell: called with the log of each node in the end.
    """

    def __init__(self, environment, tell=lambda log: None):
        self._environment, self._tell, self._stack = environment, tell, ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self._stack.__exit__(*failure)

    def start(self, output="joint_command", environment=(), program=None, **parameters):
        """A rig whose node has these parameters, and these variables in its environment."""
        namespace = f"/rig_{next(_numbers)}"
        robot = self._stack.enter_context(FakeRobot(namespace, output))
        node = NodeProcess(
            self._environment | dict(environment), namespace,
            {"output_type": output, **parameters},
            **({"program": program} if program else {}),
        )  # fmt: skip
        self._stack.callback(lambda: self._tell(node.kill()))
        robot.node_runs = node.running
        return Rig(robot, node)
