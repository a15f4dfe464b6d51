"""Destinations of a new secret besides the record: one file per kind, one shape (``base.py``).

``distribution.py`` serves them side by side. ``addresses.py`` lists the kinds, and tells the kind of an address; it is
loaded only where a record names a destination.
"""
