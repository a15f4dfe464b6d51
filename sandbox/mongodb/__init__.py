"""A MongoDB server on loopback with real SCRAM logins.

``server.py`` listens, and ``wire.py`` reads its messages; ``login.py`` is one connection's login, ``scram.py`` what it
proves; ``users.py`` has users and what their roles allow. ``commands.py`` is what all commands have in common,
``session_commands.py`` and ``user_commands.py`` are the commands; ``talk.py`` is all that a connection may say.
"""
