"""``keeper-rotation tls-secret``: secrets of key vaults that are a certificate with its key, and their records.

``cli.py`` reads the command line; ``create.py`` sets a secret, ``change.py`` does the rest, ``records.py`` keeps the
records that show them.
"""
