"""A camera of 640x480 at 30 Hz, a process of its own: python camera.py NAMESPACE FRAMES.

Whether it has the shared-memory profile is a matter of its environment. Every frame's stamp is the
time of sending; its ``frame_id`` is its number.
"""

import sys
import time

import rclpy
from pictures import picture
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

RATE_HZ = 30.0


def main(namespace, frames):
    """Wait for somebody who listens, send every frame, and say how many."""
    rclpy.init()
    node = rclpy.create_node("camera", namespace=namespace)
    newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    publisher = node.create_publisher(Image, "image", newest)
    while publisher.get_subscription_count() < 2:  # the node and the test
        time.sleep(0.01)
    image = picture("rgb8", 480, 640)
    deadline_s = time.monotonic()
    for number in range(frames):
        image.header.stamp = node.get_clock().now().to_msg()
        image.header.frame_id = str(number)
        publisher.publish(image)
        deadline_s += 1 / RATE_HZ
        time.sleep(max(0.0, deadline_s - time.monotonic()))
    time.sleep(0.5)  # what is under way still arrives
    node.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
