"""What several commands share.

``session.py`` is signed in, ``inputs.py``, ``output.py`` and ``progress.py`` talk to the terminal, ``private_file.py``
writes files, ``names.py`` reads identifiers, ``keeper_changes.py`` saves into records, ``new_records.py`` makes them,
``tls_facts.py`` is what a record says of a TLS secret, ``survey.py`` looks around in Azure.
"""
