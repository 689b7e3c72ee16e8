"""The policy node in a process of its own."""

import json
import signal
import subprocess
import sys

EXIT_S = 15  # of a slow shared machine; the node itself needs a fraction of a second


class NodeProcess:
    """``python -m lapa_edge_ros.node`` with parameters; its log is kept."""

    def __init__(self, environment, parameters):
        words = ["--ros-args"]
        for name, value in parameters.items():
            # JSON is YAML, which is what rclpy parses: strings stay strings.
            words += ["-p", f"{name}:={json.dumps(str(value) if _is_path(value) else value)}"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "lapa_edge_ros.node", *words],
            env=environment,
            cwd=environment["PYTHONPATH"],  # not the checkout: python -m would import from it
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.log = ""

    def interrupt(self, number=signal.SIGINT):
        """Send a signal; returns the exit status."""
        self._process.send_signal(number)
        return self.wait()

    def wait(self):
        """The exit status, once it is there."""
        self.log += self._process.communicate(timeout=EXIT_S)[0]
        return self._process.returncode

    def running(self):
        """Whether the process is still alive."""
        return self._process.poll() is None

    def kill(self):
        """End it whatever it does, and show its log to a failing test."""
        if self.running():
            self._process.kill()
            self.wait()
        print(self.log)


def _is_path(value):
    return hasattr(value, "__fspath__")
