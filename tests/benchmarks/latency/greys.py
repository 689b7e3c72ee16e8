"""Frames that can be told by the commands they cause: each a grey of its own.

The bundle's head is told neither its last action nor the latent's age, so that a command depends on
the frame alone, bit for bit; asked beforehand, it says which command means which grey.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
from bundles import tiny_files, tiny_spec
from pictures import picture

from lapa_edge.artifact import Bundle, write_bundle
from lapa_edge.errors import LapaError
from lapa_edge.runtime.session import Session

GREYS = range(0, 256, 2)
HEIGHT, WIDTH = 120, 160
STATE = (0.1, 0.2, 0.3)
INSTRUCTION = "push left"


def write_grey_bundle(root: Path) -> Bundle:
    """Six joint velocities that depend on the frame and the state only."""
    spec = tiny_spec(a=6, policy_hz=1000.0, control_hz=100.0, max_latent_age_s=10.0)
    names = tuple(f"joint_{i}" for i in range(6))
    action = msgspec.structs.replace(
        spec.action, names=names, units=("rad/s",) * 6, low=(-100.0,) * 6, high=(100.0,) * 6
    )
    told = ("latent", "context", "state")
    spec = msgspec.structs.replace(spec, action=action, head_inputs=told)
    return write_bundle(root, spec, tiny_files(spec), {})


def grey_frames():
    """One message per grey."""
    return [picture("rgb8", HEIGHT, WIDTH, colour=grey) for grey in GREYS]


def read_answers(bundle: Bundle) -> dict[bytes, int]:
    """The command that each grey causes, and the grey's index.

    Raises:
        LapaError: two greys cause the same.
    """
    session = Session(bundle, INSTRUCTION)
    answers = {}
    for index, grey in enumerate(GREYS):
        session.reset()
        session.accept(session.look(np.full((HEIGHT, WIDTH, 3), grey, np.uint8), 0.0))
        answers[key(session.act(np.array(STATE, np.float32), 0.0).action)] = index
    if len(answers) != len(GREYS):
        raise LapaError("ros_latency.py", "two greys cause the same command", "another seed")
    return answers


def key(action):
    """A command to look an answer up by."""
    return np.asarray(action, np.float32).tobytes()
