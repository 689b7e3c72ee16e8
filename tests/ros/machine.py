"""Whether the machine itself stood still: a measurement of milliseconds is void where it did.

A process of its own sleeps for 5 ms at a time and writes down when it was woken late. It needs no
more of a processor than anything that answers a message does; where it had to wait for one, so had
the node.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

NAP_S, LATE_S = 0.005, 0.01
TRIES = 4


class Machine:
    """Watches from `with` on."""

    def __enter__(self):
        # A file and not a pipe: a full pipe would hold up the witness.
        self._file = tempfile.NamedTemporaryFile("r")
        self._process = subprocess.Popen([sys.executable, __file__, self._file.name])
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._file.close()

    def undisturbed(self, trial, before=lambda: None):
        """`trial()`; once more where it failed while the machine stood still, a few times at most.

        A trial that fails on a machine that did not stand still has failed. `before()` comes before
        each.
        """
        for number in range(1, TRIES + 1):
            before()
            began_s = time.monotonic()
            try:
                return trial()
            except AssertionError:
                if number == TRIES or not self._stood_still(began_s):
                    raise
        raise AssertionError("unreachable")

    def _stood_still(self, since_s):
        """Whether a nap that ended since then ended late."""
        time.sleep(2 * NAP_S)  # the nap of the moment
        self._file.seek(0)
        return any(float(woken_s) >= since_s for woken_s in self._file.read().split())


def nap_forever(path):
    """Write down when each nap ended that ended late, monotonic seconds."""
    with Path(path).open("w") as file:
        while True:
            due_s = time.monotonic() + NAP_S
            time.sleep(NAP_S)
            if (woken_s := time.monotonic()) > due_s + LATE_S:
                print(woken_s, file=file, flush=True)


if __name__ == "__main__":
    nap_forever(sys.argv[1])
