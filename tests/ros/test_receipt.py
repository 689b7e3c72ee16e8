"""When messages count as received, of a node that gets no CPU to handle them."""

import time

import pytest
from dds import OVER_DDS
from fake_robot import FakeRobot
from lapa_edge_ros import receipt
from lapa_edge_ros.inputs import Inputs
from node_parts import settings
from pictures import compressed, picture
from rclpy import Context, create_node
from rclpy.executors import SingleThreadedExecutor
from rclpy.subscription import Subscription

pytestmark = OVER_DDS
STARVED_S = 0.2
PATIENCE_S = 20.0


@pytest.fixture
def node(ros_environment):
    """A node of an executor that handles nothing until it is told to."""
    context = Context()
    context.init()
    node = create_node("starved", context=context, namespace="/receipt")
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    yield node
    executor.shutdown()
    node.destroy_node()
    context.try_shutdown()


@pytest.fixture
def robot(ros_environment):
    with FakeRobot("/receipt") as robot:
        yield robot


class Ears:
    """A drive that notes when what it hears was received."""

    def __init__(self):
        self.received_s = []

    def hear_image(self, frame):
        self.received_s.append(frame.received_s)

    def hear_joints(self, names, positions, received_s):
        self.received_s.append(received_s)


def starve(node, send, received_s):
    """Send, wait, and only then handle, until something counts as received before that."""
    end_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < end_s:
        sent_s = time.monotonic()
        send()
        time.sleep(STARVED_S)
        handled_s = time.monotonic()
        node.executor.spin_once(timeout_sec=STARVED_S)
        if received_s and sent_s <= received_s[-1] < handled_s:
            return
    raise AssertionError(f"all of {len(received_s)} messages counted as new when they were handled")


@pytest.mark.parametrize("transport", ["raw", "compressed"])
def test_an_image_that_waited_is_as_old_as_its_arrival(node, robot, transport):
    if transport == "compressed":
        pytest.importorskip("cv2", reason="OpenCV is missing: pip install opencv-python-headless")
    image, ears = {"raw": picture, "compressed": compressed}[transport](), Ears()
    inputs = Inputs(node, settings(image_transport=transport), ears)
    starve(node, lambda: robot.send_image(image), ears.received_s)
    inputs.close()


def test_a_state_that_waited_is_as_old_as_its_arrival(node, robot):
    ears = Ears()
    inputs = Inputs(node, settings(), ears)
    starve(node, robot.send_state, ears.received_s)
    inputs.close()


@pytest.mark.parametrize(
    ("received_ns", "expected_s"),
    [
        (1_700_000_000_000_000_000, 7.0),
        (1_699_999_999_500_000_000, 6.5),
        (1_700_000_003_000_000_000, 7.0),  # the wall clock was set back meanwhile
        (0, 7.0),  # a middleware that notes no time
    ],
)
def test_a_receipt_is_never_from_the_future(monkeypatch, received_ns, expected_s):
    monkeypatch.setattr(receipt.time, "monotonic", lambda: 7.0)
    monkeypatch.setattr(receipt.time, "time_ns", lambda: 1_700_000_000_000_000_000)
    assert receipt.receipt_s({"received_timestamp": received_ns}) == pytest.approx(expected_s)


def test_where_callbacks_are_told_no_time_the_receipt_is_the_call(monkeypatch):
    monkeypatch.delattr(Subscription, "CallbackType")
    heard = []
    before_s = time.monotonic()
    receipt.timed(lambda *told: heard.append(told))("message")
    ((message, received_s),) = heard
    assert message == "message"
    assert before_s <= received_s <= time.monotonic()
