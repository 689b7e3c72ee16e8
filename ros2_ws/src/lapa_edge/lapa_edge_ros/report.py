"""What each part of a running drive says for the diagnostics: fields of `Report`. No ROS."""

from __future__ import annotations

import time
from typing import Any

from lapa_edge.runtime.motion_gate.gate import MotionGate
from lapa_edge_ros.camera import Camera
from lapa_edge_ros.inference import Inference
from lapa_edge_ros.publisher import Publisher


def said_by(
    camera: Camera, inference: Inference, publisher: Publisher, gate: MotionGate
) -> dict[str, Any]:
    """How many images come, how looks go, what the robot is told and what held it back."""
    last, counted = publisher.last, gate.counts.read()
    now_s, received_s = time.monotonic(), camera.received_s
    return {
        "image_hz": camera.rate_hz(now_s),
        "image_age_s": None if received_s is None else now_s - received_s,
        "images": camera.received,
        "images_refused": camera.refused,
        "images_replaced": inference.mailbox.replaced,
        "instruction": inference.instruction,
        "failure": inference.failure or "",
        "looks_s": tuple(inference.looks_s),
        "reason": last and last.reason,
        "stopped": (last and last.stopped) or "",
        "latent_age_s": last and last.latent_age_s,
        "ticks_s": tuple(publisher.began_s),
        "ticks_missed": publisher.missed,
        "unsent": publisher.unsent,
        "unsent_because": publisher.failure or "",
        "observation_ages_s": tuple(publisher.observation_ages_s),
        "stops": counted.stops,
        "clamps": counted.clamps,
    }
