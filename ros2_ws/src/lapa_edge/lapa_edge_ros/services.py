"""The node's services: allow and forbid motion, latch and take back a stop, begin anew."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger

from lapa_edge.runtime.motion_gate.latches import Latches

Answer = SetBool.Response | Trigger.Response


class Services:
    """``~/enable``, ``~/stop``, ``~/reset_stop`` and ``~/reset``, for as long as the node lives.

    Args:
        node: offers them.
        latches: what they change.
        is_active: whether the node may command.
        forget: begins a new episode; what it raises ends the old one, and is answered.
    """

    def __init__(
        self,
        node: Node,
        latches: Latches,
        is_active: Callable[[], bool],
        forget: Callable[[], None],
    ) -> None:
        self._latches, self._is_active, self._forget = latches, is_active, forget
        self._log = node.get_logger()
        node.create_service(SetBool, "~/enable", self._enable)
        node.create_service(Trigger, "~/stop", self._stop)
        node.create_service(Trigger, "~/reset_stop", self._reset_stop)
        node.create_service(Trigger, "~/reset", self._reset)

    def _enable(self, request: SetBool.Request, response: SetBool.Response) -> Answer:
        if request.data and not self._is_active():
            return self._answer(response, "the node is not active; activate it first")
        refused = self._latches.enable(request.data)
        return self._answer(response, refused, "enabled" if request.data else "disabled")

    def _stop(self, request: Trigger.Request, response: Trigger.Response) -> Answer:
        self._latches.stop()
        return self._answer(response, None, "stopped until ~/reset_stop")

    def _reset_stop(self, request: Trigger.Request, response: Trigger.Response) -> Answer:
        return self._answer(response, self._latches.reset(), "stops taken back")

    def _reset(self, request: Trigger.Request, response: Trigger.Response) -> Answer:
        if not self._is_active():
            return self._answer(response, "the node is not active; activation begins an episode")
        try:
            self._forget()
        except Exception as error:
            return self._answer(response, f"{error}; the node was deactivated")
        return self._answer(response, None, "a new episode begins")

    def _answer(self, response: Answer, refused: str | None, done: str = "") -> Answer:
        response.success, response.message = refused is None, refused or done
        self._log.info(response.message if refused is None else f"refused: {refused}")
        return response
