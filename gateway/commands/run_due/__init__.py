"""``keeper-rotation run-due``: one run for each record that is due, each in a process of its own.

``choose.py`` says which, ``forked.py`` and ``processes.py`` run them side by side, ``summary.py`` says what they came
to; ``cli.py`` is the command, and ``door.py`` what the script ``scripts/rotate_due.py`` starts.
"""
