"""What a person starts: the commands of ``keeper-rotation``, each imported only when it is asked for.

A folder per noun. Its ``cli*.py`` reads the command line with click, the files beside it do what was asked for. What
several commands share stands here: ``session.py`` is signed in, ``inputs.py`` and ``output.py`` talk to the terminal,
``keeper_changes.py`` saves into records, ``survey.py`` looks around in Azure.
"""
