"""Two gaps of rclpy's lifecycle, closed: errors nobody tells, and requests nobody answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from lapa_edge.errors import LapaError

Transition = Callable[..., TransitionCallbackReturn]  # of a node and its last state


def told(transition: Transition) -> Transition:
    """Log what a transition raises: rclpy would swallow it.

    A user's mistake fails the transition and leaves the state; a bug of ours is an error.
    """

    @wraps(transition)
    def tell(node: LifecycleNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except LapaError as error:
            node.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            node.get_logger().error(f"{transition.__name__}: {error!r}")
            return TransitionCallbackReturn.ERROR

    return tell


def answer_forbidden_transitions(node: LifecycleNode) -> None:
    """Answer "no" to a transition that the state does not allow.

    rclpy (Humble to Kilted) raises instead, out of the executor, and whoever asked waits for ever.
    """
    service = node._service_change_state
    change = service.callback

    def answer(request: object, response: object) -> object:
        try:
            return change(request, response)
        except Exception as error:
            node.get_logger().warning(f"transition refused: {error}")
            response.success = False
            return response

    service.callback = answer
