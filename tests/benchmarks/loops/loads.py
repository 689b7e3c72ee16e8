"""What else the machine does while a loop is measured."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

Load = Literal["idle", "cores", "gil"]


@contextmanager
def under(load: Load) -> Iterator[None]:
    """Nothing; a busy process for every core but one; or a busy Python thread in this process."""
    if load == "cores":
        with _busy_processes((os.cpu_count() or 2) - 1):
            yield
    elif load == "gil":
        with _busy_thread():
            yield
    else:
        yield


@contextmanager
def _busy_processes(count: int) -> Iterator[None]:
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


@contextmanager
def _busy_thread() -> Iterator[None]:
    ending = threading.Event()

    def burn() -> None:
        while not ending.is_set():
            sum(range(1000))

    thread = threading.Thread(target=burn, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()
