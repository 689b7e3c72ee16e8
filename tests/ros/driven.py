"""A drive that a test feeds, and what it sends; no ROS."""

from __future__ import annotations

import logging
import time

from lapa_edge_ros.drive import Drive
from lapa_edge_ros.wiring import read_wiring
from node_parts import PIXELS, frame, settings
from robot_bundles import JOINTS

from lapa_edge.runtime.motion_gate.latches import Latches


class Robot:
    """A drive, and what it sends; it runs within `with`."""

    def __init__(self, bundle, **changes):
        self.sent, self.latents = [], []
        said = settings(model_path=str(bundle.root), instruction="push left", **changes)
        self.latches = Latches(enabled=True)
        self.drive = Drive(
            bundle,
            said,
            read_wiring(said, bundle.spec),
            self.latches,
            ros_now_s=time.time,
            send=self._send,
            report=lambda *all: self.latents.append(all),
            log=logging.getLogger("node"),
        )
        self.settings = said

    def _send(self, gated, facts):
        self.sent.append(gated)
        return True

    def __enter__(self):
        self.drive.start()
        return self

    def __exit__(self, *_):
        self.drive.halt("the test is over")

    def feed(self):
        now_s = time.monotonic()
        self.drive.hear_joints(JOINTS, (0.1, 0.2, 0.3), now_s)
        self.drive.hear_image(frame(now_s, time.time(), lambda: PIXELS))

    def until(self, reached, *feeds, timeout_s=5.0):
        end_s = time.monotonic() + timeout_s
        while not (self.sent and reached(self.sent[-1])):
            assert time.monotonic() < end_s, self.sent and self.sent[-1].stopped
            for feed in feeds:
                feed()
            time.sleep(0.02)

    def moves(self):
        self.until(lambda gated: gated.stopped is None, self.feed)
