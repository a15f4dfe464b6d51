"""``keeper-rotation check``: whether the next run of a record would work, all findings at once."""
