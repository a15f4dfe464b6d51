"""Azure Key Vault: ids, calls through Microsoft's clients, and what a key vault holds.

``ids.py`` reads addresses; ``calls.py`` makes the clients and sorts their errors; ``certificates.py`` and
``secrets.py`` stand on both, with ``certificate_answers.py``; ``certificate_changes.py`` adds what only operators do.
"""
