"""The order of a rotation, once, for every kind of credential, and what to do when a step breaks half-way.

Begin with ``order.py``: `rotate` is its table of contents, and each step has a file: ``prepare.py``, ``publish.py``,
``confirm.py``, ``deliver.py``, ``retire.py``. ``state.py`` is what they share and the only one that saves. ``kind.py``
is what a kind of credential has to answer; ``make/`` has the ways in which a new one comes about, on ``maker.py``.
"""
