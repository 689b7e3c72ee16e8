"""The node with a control loop that does not start while a file is there.

REFUSE=/path/to/file python refusing_node.py --ros-args ...

Where the file holds a word, the loop fails with it as no code of ours should, and so does once the
end of an episode under way.
"""

import os
import sys
from pathlib import Path

from lapa_edge_ros.drive import Drive
from lapa_edge_ros.node import main

from lapa_edge.errors import ConfigError
from lapa_edge.runtime.control_loop import ControlLoop

REFUSE = Path(os.environ["REFUSE"])
start, halt = ControlLoop.start, Drive.halt


def refusing_start(loop):
    """`ControlLoop.start`, or what it raises where the system has no thread to give."""
    if REFUSE.exists():
        if bug := REFUSE.read_text():
            raise RuntimeError(bug)
        raise ConfigError("control loop", "no thread")
    start(loop)


def refusing_halt(drive, why):
    """`Drive.halt`; where the file holds a word, that instead, the first time."""
    if drive.running and REFUSE.exists() and (bug := REFUSE.read_text()):
        REFUSE.unlink()
        raise RuntimeError(bug)
    return halt(drive, why)


ControlLoop.start, Drive.halt = refusing_start, refusing_halt

if __name__ == "__main__":
    sys.exit(main())
