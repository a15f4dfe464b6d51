"""Azure, as far as this package talks to it: one file per API, on one sign-in.

``sign_in.py`` opens everything with the admin credential; ``entra.py`` gets the tokens, ``graph.py`` has applications
and their secrets, ``arm.py`` resources by their id, ``key_vault/`` what lies in key vaults. ``resources.py``,
``automation.py``, ``api_connections.py`` and ``devops.py`` make types of what is answered, with ``decode.py``.
"""
