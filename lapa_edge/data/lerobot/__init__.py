"""LeRobot datasets, v2.1 and v3.0: read, and written back with latent actions."""
