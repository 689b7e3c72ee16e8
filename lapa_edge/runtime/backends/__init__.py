"""What runs the policy's graph on the robot: one protocol, and a file for each that speaks it."""
