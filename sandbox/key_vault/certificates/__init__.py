"""Certificates of a key vault, with real X.509, and their issuers.

``store.py`` is what is kept and ``shapes.py`` how it is shown; ``requests.py``, ``versions.py``, ``deleted.py`` and
``settings.py`` are the wire; ``issuance.py`` is how a certificate gets its versions, by ``policies.py`` and
``authority.py``. ``helpers.py`` is what tests do without a request.
"""
