"""The order of a rotation, once, for every kind of credential: `rotate` in ``order.py`` is its table of contents."""
