"""What the real services answered, without a value: calls, statuses, keys and types, as `sandbox/shapes.py` reads them.

``python -m tests.shapes FOLDER`` writes the files anew from recordings (vcrpy) and Microsoft's examples.
"""
