"""``keeper-rotation plan``: what a rotation would do."""
