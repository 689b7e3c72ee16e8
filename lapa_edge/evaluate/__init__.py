"""Environments, closed-loop rollouts and the statistics that go with them."""
