"""Destinations of a new secret besides the record: one file per kind, one shape (``base.py``).

``kinds.py`` lists them; it is loaded only where a record names a destination.
"""
