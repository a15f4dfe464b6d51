"""``keeper-rotation init``: the rotation of one thing, set up step by step, or by options alone."""
