"""``keeper-rotation discover``: what Azure has and Keeper has no record of, and records for it.

``cli.py`` → ``show.py``, which asks ``look.py`` what there is and ``known_records.py`` what is known of it, prints that
with ``table.py``, and lets ``create.py`` make the records that are missing.
"""
