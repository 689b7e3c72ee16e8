"""What ros_latency.py measures with."""
