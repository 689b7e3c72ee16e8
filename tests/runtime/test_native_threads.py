"""Native calls beside other Python threads: they let them run, and let the interpreter end."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bundles import write_tiny_bundle
from heads import build_weights

from lapa_edge import _native

RNG = np.random.default_rng(0)


def head() -> Callable[[], object]:
    weights = build_weights(256, 64, 256, 2)
    x = RNG.normal(size=(8192, 256)).astype(np.float32)
    native = _native.ActionHead(weights)
    return lambda: native.forward(x)


def codebook() -> Callable[[], object]:
    native = _native.Codebook(RNG.normal(size=(4096, 128)).astype(np.float32))
    x = RNG.normal(size=(16384, 128)).astype(np.float32)
    return lambda: native.nearest(x)


def frame() -> Callable[[], object]:
    image = RNG.integers(0, 256, (8000, 8000, 3), dtype=np.uint8)
    return lambda: _native.preprocess_frame(image, 224, 224, (0.5,) * 3, (0.2,) * 3)


@pytest.mark.parametrize("build", [head, codebook, frame])
def test_other_threads_run_during_a_long_call(build: Callable[[], Callable[[], object]]) -> None:
    call, counted, during = build(), [0], []

    def work() -> None:
        before = counted[0]
        call()
        during.append(counted[0] - before)

    # Nothing takes the interpreter's lock from a thread now; it has to be given up.
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        while thread.is_alive():
            counted[0] += 1
            time.sleep(1e-4)
        thread.join()
    finally:
        sys.setswitchinterval(interval_s)
    assert during[0] > 0


ENDING = """
import sys, threading, time
from pathlib import Path
import numpy as np
from lapa_edge import _native
from lapa_edge.artifact import load_bundle
from lapa_edge.runtime.control_loop import ControlLoop

x = np.ones((512, 64), np.float32)
codebook = _native.Codebook(np.random.default_rng(0).normal(size=(1024, 64)).astype(np.float32))
frame = np.zeros((480, 640, 3), np.uint8)
loop = ControlLoop(load_bundle(Path(sys.argv[1])))
loop.start()
calls = {
    "nearest": lambda: codebook.nearest(x),
    "frame": lambda: _native.preprocess_frame(frame, 224, 224, (0.5,) * 3, (0.2,) * 3),
    "running": lambda: loop.running,
}
call = calls[sys.argv[2]]

def work():
    while True:
        call()

threading.Thread(target=work, daemon=True).start()
time.sleep(0.05)
"""


@pytest.mark.parametrize("call", ["nearest", "frame", "running"])
def test_the_interpreter_ends_beside_a_thread_that_is_in_a_call(
    call: str, tiny_bundle: Path, tmp_path: Path
) -> None:
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", ENDING, str(tiny_bundle), call],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="module")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("ending") / "tiny").root
