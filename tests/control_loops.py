"""What the tests of the control loop feed it."""

import time

import msgspec
import numpy as np
from bundles import tiny_files, tiny_spec

from lapa_edge.artifact import write_bundle
from lapa_edge.runtime.policy import Latent
from lapa_edge.spec import HEAD_PARTS

STATE = np.array([0.1, 0.2, 0.3], np.float32)


def mixed_spec(head_inputs=HEAD_PARTS, blend_s=0.0):
    """A velocity, two positions and a gripper; the positions are those of joints 2 and 0."""
    spec = tiny_spec(a=4, blend_s=blend_s)
    action = msgspec.structs.replace(
        spec.action,
        kinds=("delta", "absolute", "gripper", "absolute"),
        hold=(-1, 2, -1, 0),
        stop=(0.0, -0.25, 0.75, 0.5),
    )
    return msgspec.structs.replace(spec, action=action, head_inputs=head_inputs)


def write_mixed_bundle(root, head_inputs=HEAD_PARTS, blend_s=0.0):
    spec = mixed_spec(head_inputs, blend_s)
    return write_bundle(root, spec, tiny_files(spec), {})


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
