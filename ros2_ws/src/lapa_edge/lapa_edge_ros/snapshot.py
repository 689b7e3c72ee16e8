"""What is known at the moment when a command is judged. No ROS in here."""

from __future__ import annotations

import time
from collections.abc import Callable

from lapa_edge.runtime.control_loop import LoopCommand
from lapa_edge.runtime.motion_gate.facts import Facts
from lapa_edge.runtime.safety import Command
from lapa_edge_ros.camera import Camera
from lapa_edge_ros.chunks import Chunk
from lapa_edge_ros.joints import StateBoard


def read_facts(
    command: Command,
    camera: Camera,
    board: StateBoard,
    chunk: Chunk | None,
    estop_heard_s: float,
    read_ros_now_s: Callable[[], float],
) -> Facts:
    """The inputs first and the clocks last, so that nothing is younger than it can be."""
    known, received_s = board.read(time.monotonic()), camera.received_s
    stamp_s = camera.stamp_s(read_ros_now_s())
    ros_now_s, now_s = read_ros_now_s(), time.monotonic()
    latent_age_s = command.latent_age_s
    if isinstance(command, LoopCommand):
        latent_age_s += now_s - command.ticked_at_s
    return Facts(
        now_s=now_s,
        ros_now_s=ros_now_s,
        image_received_s=received_s,
        image_stamp_s=stamp_s,
        latent_age_s=latent_age_s,
        state=known and known[0],
        state_age_s=now_s - known[1] if known else float("nan"),
        chunk_age_s=now_s - chunk.began_s if chunk else None,
        estop_age_s=now_s - estop_heard_s,
    )
