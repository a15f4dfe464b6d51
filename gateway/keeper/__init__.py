"""Keeper, as far as this package talks to it: what the Gateway passes on stdin, and records in the vault.

``parameters.py`` reads stdin; ``config.py`` finds the application's key; ``vault.py`` reads and writes records,
``files.py`` their files, ``folders.py`` makes new ones, all three on ``sdk.py``; ``record.py`` is one record;
``save.py`` is what to do when a save breaks.
"""
