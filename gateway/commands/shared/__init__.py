"""What several commands share.

``session.py`` is signed in, ``inputs.py``, ``output.py`` and ``progress.py`` talk to the terminal, ``interrupt.py``
hears of Ctrl-C and SIGTERM, ``private_file.py`` writes files, ``names.py`` reads identifiers, ``find_by_name.py`` looks
for bare names, ``keeper_changes.py`` saves into records, ``new_records.py`` makes them, ``facts.py`` is what a record
says of a TLS secret, and what is shown of one, ``survey.py`` looks around in Azure.
"""
