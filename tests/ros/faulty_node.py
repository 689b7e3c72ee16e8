"""The node with a policy that misbehaves: what it does stands in a file that a test rewrites.

    FAULT=/path/to/file python faulty_node.py --ros-args ...

The file holds a fault's name, or nothing for a policy as it is. It is the node's own `main` that
runs, in a real process; only `Policy.look` is wrapped.
"""

import dataclasses
import os
import sys
import time
from pathlib import Path

import numpy as np
from lapa_edge_ros.node import main

from lapa_edge.runtime.policy import Policy

FAULT = Path(os.environ["FAULT"])
look = Policy.look


def hog(seconds):
    """Compute in Python, which holds the GIL but for its switches."""
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        sum(range(1000))


def faulty_look(policy, frame, seen_at_s, state=None):
    """`Policy.look`, and the fault of the hour."""
    latent = look(policy, frame, seen_at_s, state)
    fault = FAULT.read_text()
    if fault == "raise":
        raise RuntimeError("the accelerator is gone")
    if fault == "nan":
        return dataclasses.replace(latent, context=np.full_like(latent.context, np.nan))
    if fault == "stall":
        time.sleep(2.0)
    elif fault == "slow":  # 60 ms, of which a third in the interpreter
        time.sleep(0.04)
        hog(0.02)
    return latent


Policy.look = faulty_look

if __name__ == "__main__":
    sys.exit(main())
