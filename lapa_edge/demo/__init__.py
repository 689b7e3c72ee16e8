"""The main job from end to end on simulated arms: every stage, resumable, with a report."""
