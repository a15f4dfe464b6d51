"""The command lines of ``keeper-rotation certificate``; ``group.py`` puts them together."""
