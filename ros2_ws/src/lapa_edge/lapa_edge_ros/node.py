"""The process: rclpy without its signal handlers, one node, a single-threaded executor."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.logging import get_logger
from rclpy.signals import SignalHandlerOptions

from lapa_edge_ros.lifecycle import PolicyNode
from lapa_edge_ros.signals import Signals

SPIN_S = 0.1  # a signal is noticed after at most this long
# The default of 5 ms is half a period at 100 Hz for a publisher that waits its turn.
SWITCH_INTERVAL_S = 0.0005


class RosLog(logging.Handler):
    """What the library warns of, in the node's log."""

    def __init__(self, node: PolicyNode) -> None:
        super().__init__(logging.WARNING)
        self._log = node.get_logger()

    def emit(self, record: logging.LogRecord) -> None:
        """As a warning, whatever it is: rclpy wants one severity per line of code."""
        self._log.warning(self.format(record))


def start(node: PolicyNode, signals: Signals) -> bool:
    """Configure and, unless a signal came meanwhile, activate; False where either is refused."""
    success = TransitionCallbackReturn.SUCCESS
    if node.trigger_configure() != success:
        return False
    return bool(signals.caught) or node.trigger_activate() == success


def spin(node: PolicyNode, signals: Signals) -> None:
    """Serve callbacks until a signal was caught."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while not signals.caught:
        try:
            executor.spin_once(timeout_sec=SPIN_S)
        except Exception as error:
            # Threads and watchdogs go on; a callback that keeps failing leaves its input stale.
            node.get_logger().error(f"a callback failed: {error!r}")
    executor.remove_node(node)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until a signal; the status is 1 where arguments or autostart are refused."""
    signals = Signals()
    signals.catch()
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # a parameter file that is missing or no YAML, a wrong remapping
        print(f"policy: {error}", file=sys.stderr)
        return 1
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        node = PolicyNode()
    except ParameterException as error:
        get_logger("policy").fatal(str(error))
        rclpy.shutdown()
        return 1
    logging.getLogger("lapa_edge").addHandler(RosLog(node))
    try:
        if node.get_parameter("autostart").value and not start(node, signals):
            return 1
        spin(node, signals)
        node.end()
        hung = node.hung
    finally:
        node.destroy_node()
        rclpy.shutdown()
    signals.ignore()
    if hung:  # the interpreter's end would wait for it, or crash in it
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
