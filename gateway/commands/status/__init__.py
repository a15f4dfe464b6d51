"""``keeper-rotation status``: all records of this bundle at one look, from one reading of the vault.

``rows.py`` says what each record stands for and what is wrong with it, ``show.py`` chooses and prints, ``cli.py`` has
the options.
"""
