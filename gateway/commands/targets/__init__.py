"""``keeper-rotation targets``: to what a record's secret could be delivered.

``show.py`` prints it, ``find.py`` knows what is found where, ``ask.py`` asks, and takes a failure for a warning.
"""
