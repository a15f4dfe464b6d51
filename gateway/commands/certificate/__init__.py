"""``keeper-rotation certificate``: the certificates of key vaults, and the records that follow them.

``cli.py`` lists the commands; each has the file of its verb. ``operation.py`` is what ``request.py``, ``renew.py`` and
``merge.py`` wait for.
"""
