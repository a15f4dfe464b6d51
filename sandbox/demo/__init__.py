"""The demo of ``make demo``: the main job, and the listener."""
