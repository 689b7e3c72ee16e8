"""The ROS 2 node around the pip package ``lapa_edge``; named apart so as not to shadow it."""
