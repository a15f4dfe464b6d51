"""Runs that are forked from a process of their own, in which all is imported and no other thread lives.

``handle.py`` and ``pipes.py`` stand in the listener, ``process.py`` in that process. Why it is not the listener itself
that is forked: docs/decisions/0022-the-listener-forks-from-a-second-process.md.
"""
