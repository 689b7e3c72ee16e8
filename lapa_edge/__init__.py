"""lapa-edge: latent action policies that run on the robot."""
