"""What the tests of the control loop feed it."""

import time

import numpy as np

from lapa_edge.runtime.policy import Latent

STATE = np.array([0.1, 0.2, 0.3], np.float32)


def build_latent(seen_at_s, seed=0):
    rng = np.random.default_rng(seed)
    vector, context = (rng.normal(size=n).astype(np.float32) for n in (6, 4))
    return Latent(np.zeros(2, np.int32), vector, context, seen_at_s)


def feed(loop):
    loop.set_latent(build_latent(time.monotonic()))
    loop.set_observation(STATE, time.monotonic())


def wait_until(holds, timeout_s=5.0):
    end_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.001)
