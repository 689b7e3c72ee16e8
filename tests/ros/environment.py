"""Where ROS processes of the tests meet: on this machine only, in a domain drawn at random."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

HERE = Path(__file__).parent
PACKAGE = HERE.parents[1] / "ros2_ws/src/lapa_edge"


def find_modules():
    """Let this process import the package's module and the tests' helpers."""
    sys.path[:0] = [str(PACKAGE), str(HERE), str(HERE.parent)]


def enter_domain():
    """Environment in which nothing leaves this machine and no other session is heard.

    It is this process's from now on; returns a copy for others.
    """
    path = [str(PACKAGE), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ |= {
        "ROS_DOMAIN_ID": str(random.randint(1, 100)),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "RMW_IMPLEMENTATION": "rmw_fastrtps_cpp",
        "PYTHONPATH": os.pathsep.join(path),
    }
    os.environ.pop("ROS_LOCALHOST_ONLY", None)
    return dict(os.environ)
