"""Random schedules of runs, faults, hosts and people on one living world; ``python -m tests.simulate`` plays them.

``worlds.py`` is what is rotated, ``steps.py`` what happens to it, ``promises.py`` what must hold after every step,
``play.py`` plays a schedule, and makes one that fails shorter. A schedule follows from its seed alone, and each of its
steps from a number of its own, so that a step can be left out and all others stay as they were.
"""
