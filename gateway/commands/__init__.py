"""What a person starts: the commands of ``keeper-rotation``, each imported only when it is asked for.

A folder per noun. Its ``cli.py`` or ``cli/`` reads the command line with click, the files beside it do what was asked
for. What several commands share stands in ``shared/``; what is known of many records without asking Azure in
``reading.py`` (the vault and the history, once) and ``outlook.py`` (what a record alone says of its next run).
"""
