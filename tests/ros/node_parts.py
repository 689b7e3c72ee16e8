"""Small pieces that the tests of the node's plain parts share; no ROS in here."""

from __future__ import annotations

import time

import msgspec
import numpy as np
from bundles import tiny_spec
from lapa_edge_ros.mailbox import Frame
from lapa_edge_ros.settings import Settings
from lapa_edge_ros.table import TABLE, Empty

PIXELS = np.full((16, 16, 3), 90, np.uint8)


def settings(**changes):
    """The defaults, with changes."""
    defaults = {row.name: () if isinstance(row.default, Empty) else row.default for row in TABLE}
    return Settings(**(defaults | changes))


def spec_of(names, units, *, states=("joint_0", "joint_1", "joint_2"), **action):
    """A spec whose actions have these names and units; `action` changes more of them."""
    spec = tiny_spec(a=len(names), s=len(states))
    replace = msgspec.structs.replace
    return replace(
        spec,
        state=replace(spec.state, names=states),
        action=replace(spec.action, names=names, units=units, **action),
    )


def frame(received_s=0.0, stamp_s=1000.0, pixels=lambda: PIXELS):
    """A frame that was received and stamped then."""
    return Frame(pixels, received_s, stamp_s)


def wait_for(reached, timeout_s=5.0):
    """Until another thread has got there."""
    end_s = time.monotonic() + timeout_s
    while not reached():
        assert time.monotonic() < end_s, "not reached"
        time.sleep(0.002)
