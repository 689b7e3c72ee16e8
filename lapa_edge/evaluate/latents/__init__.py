"""Judging a latent action model before a robot has moved: numbers, pictures and a page."""
