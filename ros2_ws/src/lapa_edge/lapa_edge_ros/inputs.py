"""What the node hears while it is configured: one camera's images, and joints.

What cannot be read is told now and then, and counts as if it had never come.
"""

from __future__ import annotations

from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image, JointState

from lapa_edge.errors import LapaError
from lapa_edge_ros.compressed import check_compressed, check_opencv, decode_image
from lapa_edge_ros.drive import Drive
from lapa_edge_ros.image import image_view
from lapa_edge_ros.mailbox import Frame
from lapa_edge_ros.receipt import timed
from lapa_edge_ros.settings import Settings
from lapa_edge_ros.topics import NEWEST, SEVERAL

WARN_EVERY_S = 2.0


class Inputs:
    """``image`` or ``image/compressed``, and ``joint_states``, handed to a drive until `close`.

    Raises:
        MissingDependencyError: compressed images without OpenCV.
    """

    def __init__(self, node: Node, settings: Settings, drive: Drive) -> None:
        self._node, self._drive = node, drive
        if settings.image_transport == "raw":
            image = node.create_subscription(Image, "image", timed(self._on_image), NEWEST)
        else:
            check_opencv()
            image = node.create_subscription(
                CompressedImage, "image/compressed", timed(self._on_compressed), NEWEST
            )
        joints = node.create_subscription(
            JointState, "joint_states", timed(self._on_joints), SEVERAL
        )
        self._subscriptions = (image, joints)

    def close(self) -> None:
        """Hear nothing more."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def _on_image(self, message: Image, received_s: float) -> None:
        try:
            pixels = image_view(message)
        except LapaError as error:
            self._refuse_image(error)
        else:
            self._hear(Frame(lambda: pixels, received_s, _stamp_s(message)))

    def _on_compressed(self, message: CompressedImage, received_s: float) -> None:
        try:
            check_compressed(message)
        except LapaError as error:
            self._refuse_image(error)
        else:  # decoded by the thread that looks, and only if it does
            self._hear(Frame(lambda: decode_image(message), received_s, _stamp_s(message)))

    def _hear(self, frame: Frame) -> None:
        if frame.stamp_s == 0:
            self._warn("image: its header.stamp is 0; the camera must stamp what it sends")
        self._drive.hear_image(frame)

    def _refuse_image(self, error: LapaError) -> None:
        self._drive.refuse_image()
        self._warn(str(error))

    def _on_joints(self, message: JointState, received_s: float) -> None:
        try:
            self._drive.hear_joints(message.name, message.position, received_s)
        except LapaError as error:
            self._warn(str(error))

    def _warn(self, text: str) -> None:
        self._node.get_logger().warning(text, throttle_duration_sec=WARN_EVERY_S)


def _stamp_s(message: Image | CompressedImage) -> float:
    stamp = message.header.stamp
    return stamp.sec + stamp.nanosec * 1e-9
