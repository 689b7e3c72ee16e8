"""What each part of a running drive says for the diagnostics: fields of `Report`. No ROS."""

from __future__ import annotations

import time
from typing import Any

from lapa_edge.runtime.motion_gate.gate import MotionGate
from lapa_edge_ros.camera import Camera
from lapa_edge_ros.inference import Inference
from lapa_edge_ros.publisher import Publisher

Fields = dict[str, Any]


def said_by_camera(camera: Camera) -> Fields:
    """How many images come, and how old the newest is."""
    now_s, received_s = time.monotonic(), camera.received_s
    return {
        "image_hz": camera.rate_hz(now_s),
        "image_age_s": None if received_s is None else now_s - received_s,
        "images": camera.received,
        "images_refused": camera.refused,
    }


def said_by_inference(inference: Inference) -> Fields:
    """What is looked for, how long looks take, and why there is no latent."""
    return {
        "instruction": inference.instruction,
        "failure": inference.failure or "",
        "images_replaced": inference.mailbox.replaced,
        "looks_s": tuple(inference.looks_s),
    }


def said_by_publisher(publisher: Publisher) -> Fields:
    """What the robot is told, when, and what of it did not leave."""
    last = publisher.last
    return {
        "reason": last and last.reason,
        "stopped": (last and last.stopped) or "",
        "latent_age_s": last and last.latent_age_s,
        "ticks_s": tuple(publisher.began_s),
        "ticks_missed": publisher.missed,
        "unsent": publisher.unsent,
        "unsent_because": publisher.failure or "",
        "observation_ages_s": tuple(publisher.observation_ages_s),
    }


def said_by_gate(gate: MotionGate) -> Fields:
    """How often what stopped the robot or held it back."""
    counted = gate.counts.read()
    return {"stops": counted.stops, "clamps": counted.clamps}
