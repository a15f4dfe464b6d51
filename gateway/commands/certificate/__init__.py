"""``keeper-rotation certificate``: the certificates of key vaults, and the records that follow them.

``cli/group.py`` lists the commands; each has the file of its verb. ``operation.py`` is what ``request.py`` and
``merge.py`` wait for.
"""
