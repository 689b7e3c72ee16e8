"""Things that are said at a steady rate, whatever else a test does meanwhile."""

from __future__ import annotations

import threading
import time


class Feed:
    """Calls `send` at `rate_hz` on a thread of its own until it is stopped."""

    def __init__(self, rate_hz, send):
        self._period_s, self._send = 1 / rate_hz, send
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self):
        """Nothing is sent after this returns; the time of the last sending, monotonic seconds."""
        self._ending.set()
        self._thread.join()
        return self._sent_s

    def _run(self):
        deadline_s = time.monotonic()
        while not self._ending.wait(max(0.0, deadline_s - time.monotonic())):
            self._sent_s = time.monotonic()
            self._send()
            # A late one is not made up for: two at once would be a burst.
            deadline_s = max(deadline_s + self._period_s, self._sent_s)
