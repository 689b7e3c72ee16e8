"""The policy node in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

EXIT_S = 15.0  # of a slow shared machine; the node itself needs a fraction of a second


class NodeProcess:
    """The node with parameters, in a namespace; its log is kept.

    Args:
        environment: of the process.
        namespace: where its names live.
        parameters: name -> value.
        program: what to start; the node itself, or a script that spoils something first.
    """

    def __init__(self, environment, namespace, parameters, program=("-m", "lapa_edge_ros.node")):
        words = ["--ros-args", "-r", f"__ns:={namespace}"]
        for name, value in parameters.items():
            plain = str(value) if isinstance(value, os.PathLike) else value
            # JSON is YAML, which is what rclpy parses: strings stay strings.
            words += ["-p", f"{name}:={json.dumps(plain)}"]
        # A file and not a pipe: a full pipe would hold up a node that logs much.
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (it lives as long as the process)
        self._process = subprocess.Popen(
            [sys.executable, *map(str, program), *words],
            env=environment,
            cwd=tempfile.gettempdir(),  # not the checkout: python -m would import from it
            stdout=self._log,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.pid = self._process.pid

    @property
    def log(self):
        """Everything it has written so far."""
        self._log.seek(0)
        return self._log.read()

    def send_signal(self, number=signal.SIGINT):
        """Send a signal and do not wait."""
        self._process.send_signal(number)

    def wait(self, timeout_s=EXIT_S):
        """The exit status, once it is there."""
        return self._process.wait(timeout_s)

    def interrupt(self, number=signal.SIGINT):
        """Send a signal; returns the exit status and how long it took, seconds."""
        sent_s = time.monotonic()
        self.send_signal(number)
        return self.wait(), time.monotonic() - sent_s

    def running(self):
        """Whether the process is still alive."""
        return self._process.poll() is None

    def kill(self):
        """End it whatever it does; returns its log."""
        if self.running():
            self._process.kill()
            self.wait()
        log = self.log
        self._log.close()
        return log
