"""What an operator is told, and whom: ``keeper-rotation notify`` and ``keeper-rotation digest``."""
