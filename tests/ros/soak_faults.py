"""What goes wrong during a soak: a camera, joints and an operator with moods, drawn from a seed.

Each has a thread of its own and changes its mood every so often, so that faults overlap as they
like. What reaches the node is noted in a `watcher.Sent`, once it is out.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import ClassVar

import numpy as np
from pictures import cut_short, picture

HOUR_S = 3600.0
WORDS = ["reach", "the", "red", "block", "and", "push", "it", "left", "right", "away", "zebra"]


class Moody(threading.Thread):
    """Ticks at `rate_hz` and at each tick does what the mood of the moment says.

    moods: name -> how often it is drawn; a method of that name is called at each tick. counts: how
    many times each was drawn.
    """

    rate_hz: float
    moods: ClassVar[dict[str, float]]

    def __init__(self, robot, sent, rng):
        super().__init__(daemon=True)
        self._robot, self._sent, self._rng = robot, sent, rng
        self._ending = threading.Event()
        self.counts = Counter()
        self.failure = None

    def end(self):
        """No mood after this returns."""
        self._ending.set()
        self.join()

    def run(self):
        try:
            while not self._ending.is_set():
                names, weights = zip(*self.moods.items(), strict=True)
                mood = self._rng.choice(names, p=np.array(weights) / sum(weights))
                self.counts[str(mood)] += 1
                self._live(getattr(self, mood), self._rng.uniform(0.2, 3.0))
        except Exception as error:  # told by whoever waits for the end
            self.failure = error

    def _live(self, act, seconds):
        began_s = deadline_s = time.monotonic()
        while deadline_s < began_s + seconds:
            if self._ending.wait(max(0.0, deadline_s - time.monotonic())):
                break
            act()
            deadline_s = max(deadline_s + 1 / self.rate_hz, time.monotonic())
        self.relax()

    def spoil(self):
        """Note that something bad goes out now."""
        self._sent.spoiled.append(time.monotonic())

    def relax(self):
        """What ends a mood, whichever it was."""


class Camera(Moody):
    """Frames that come, come not, come all at once, or are not what they should be."""

    rate_hz = 30.0
    moods: ClassVar = {
        "steady": 6, "silent": 1, "dropping": 1, "bursting": 1, "spoiled": 1, "clock_jumps": 1
    }  # fmt: skip

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._good = picture()
        self._bad = [picture("16UC1"), cut_short(picture(), 7), picture("mono8", 0, 0)]

    def steady(self):
        self._robot.send_image(self._good)
        self._sent.images.append(time.monotonic())

    def silent(self):
        pass

    def dropping(self):
        if self._rng.random() < 0.5:
            self.steady()

    def bursting(self):
        if self._rng.random() < 0.1:
            for _ in range(30):
                self.steady()

    def spoiled(self):
        self.spoil()
        self._robot.send_image(self._bad[self._rng.integers(len(self._bad))])

    def clock_jumps(self):
        self.spoil()
        self._robot.send_image(self._good, stamp_s=HOUR_S * self._rng.choice((-1, 1)))


class Joints(Moody):
    """Positions that come, come not, or mean nothing.

    The node gathers joints one by one: the last is good in a good state alone, or several bad ones
    would make up a whole.
    """

    rate_hz = 50.0
    moods: ClassVar = {"steady": 6, "silent": 1, "incomplete": 1, "not_numbers": 1}

    def steady(self):
        self._robot.send_state(tuple(self._rng.uniform(-1, 1, 3)))
        self._sent.states.append(time.monotonic())

    def silent(self):
        pass

    def incomplete(self):
        self.spoil()
        self._robot.send_state((0.1, 0.2), ("joint_0", "joint_1"))

    def not_numbers(self):
        self.spoil()
        self._robot.send_state((0.1, 0.2, self._rng.choice((np.nan, np.inf, -np.inf))))


class Operator(Moody):
    """Somebody at the panel: orders to stop, and far too many instructions."""

    rate_hz = 20.0
    moods: ClassVar = {
        "absent": 5,
        "presses": 1,
        "flaps": 1,
        "stops": 1,
        "disables": 1,
        "floods": 1,
    }

    def absent(self):
        pass

    def presses(self):
        self._robot.send_estop(True)
        self._sent.begin("estop", time.monotonic())

    def flaps(self):
        self.presses()
        if self._rng.random() < 0.5:
            self._robot.send_estop(False)

    def stops(self):
        self._robot.stop()
        self._sent.begin("stop", time.monotonic())

    def disables(self):
        self._robot.enable(False)
        self._sent.begin("disabled", time.monotonic())

    def floods(self):
        for _ in range(20):
            words = self._rng.choice(WORDS, self._rng.integers(1, 12))
            self._robot.send_instruction(" ".join(words))

    def relax(self):
        """Let everything go, in the order that a node asks for."""
        self._robot.send_estop(False)
        now_s = time.monotonic()
        while not self._robot.reset_stop().success:  # refused until it has heard of the e-stop
            if self._ending.wait(0.02):
                return
            now_s = time.monotonic()
        self._sent.end("estop", now_s)
        self._sent.end("stop", now_s)
        now_s = time.monotonic()
        self._robot.enable(True)
        self._sent.end("disabled", now_s)
