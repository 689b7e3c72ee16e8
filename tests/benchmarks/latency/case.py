"""One case: a design, how long its policy takes, and its control rate."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lapa_edge.errors import LapaError
from latency.greys import INSTRUCTION, STATE, grey_frames, key

PROGRAM = Path(__file__).with_name("slow_nodes.py")
CAMERA_HZ = 30.0
SETTLE_S = 1.0


@dataclass(frozen=True)
class Measured:
    """Milliseconds. frame: from sending a frame to the arrival of the first command that knows it,
    two hops over DDS included; hop: of a command, from the node's writing to its arrival. jitter:
    how far the time between two commands is off the period; rate_hz: commands per second.
    """

    design: str
    policy_ms: float
    control_hz: float
    frames: int
    frame_p50_ms: float
    frame_p99_ms: float
    hop_p50_ms: float
    rate_hz: float
    jitter_p50_ms: float
    jitter_p99_ms: float


def measure(rigs, bundle, answers, design, policy_ms, control_hz, seconds):
    """Start it, feed it, and listen for `seconds`.

    Raises:
        LapaError: a command that no frame causes, or none at all.
    """
    # The node is to answer whatever this machine does; how late is what is measured.
    patient = {"image_timeout": 5.0, "state_timeout": 5.0, "max_observation_age": 5.0}
    managed = {**patient, "autostart": True, "start_enabled": True} if design == "node" else {}
    rig = rigs.start(
        program=[PROGRAM, design, policy_ms], output="joint_command", model_path=bundle.root,
        instruction=INSTRUCTION, control_rate=control_hz, **managed,
    )  # fmt: skip
    robot, frames, sent = rig.robot, grey_frames(), []

    def send_frame():
        sent.append(time.monotonic())
        robot.send_image(frames[(len(sent) - 1) % len(frames)])

    robot.feed_state(STATE)
    robot.feed_with("image", send_frame, CAMERA_HZ)
    robot.wait_for_command(moving=True)
    robot.listen(SETTLE_S)
    heard = robot.listen(seconds)
    robot.stop_feed("image")
    rig.node.interrupt()
    if len(heard) < 2:
        raise LapaError(f"{design} at {control_hz} Hz", f"gave {len(heard)} commands")
    frame_s = first_answers(sent, heard, answers, len(frames))
    written_s = np.array([command.sent_s for command in heard])
    jitter_s = np.abs(np.diff(written_s) - 1 / control_hz)
    return Measured(
        design,
        policy_ms,
        control_hz,
        len(frame_s),
        *_ms(frame_s, 50, 99),
        *_ms([command.arrived_s - command.sent_s for command in heard], 50),
        (len(heard) - 1) / (written_s[-1] - written_s[0]),
        *_ms(jitter_s, 50, 99),
    )


def first_answers(sent_s, heard, answers, cycle):
    """Seconds from each frame that was ever acted on to the first command that knows it."""
    latencies, newest = [], None
    for command in heard:
        if not command.moves:
            continue
        grey = answers.get(key(command.action))
        if grey is None:
            raise LapaError("ros_latency.py", "a command is of no frame that was sent")
        # The last frame of this grey that had been sent by then.
        before = np.searchsorted(sent_s, command.arrived_s) - 1
        frame = before - (before - grey) % cycle
        if frame != newest and newest is not None:
            latencies.append(command.arrived_s - sent_s[frame])
        newest = frame
    return latencies


def _ms(seconds, *ranks):
    return [float(x) * 1000 for x in np.percentile(seconds, ranks)]
