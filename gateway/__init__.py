"""What the rotation scripts share, installed on the host of the Keeper Gateway.

Keeper's *Gateway* is a process that Keeper runs; this package called ``gateway`` is only a library on its host.

The way through a run, one file per step::

    stdin ── run.py ──> params.py ──> vault.py ──> admin.py ──> rotation.py ──> exit code, one JSON line
             errors     both base64   the record   who signs    the order,
             to codes   layers        in Keeper    in to Azure  once

A script that is attached in the vault only names a kind of credential. ``kinds/`` has a file for each, and a registry
of the facts about all of them.

``rules.py`` holds the decisions without any input or output, ``minting.py`` and ``saving.py`` what to do when the two
dangerous calls break, ``http.py`` the one HTTP client, ``entra.py`` and ``graph.py`` one Azure API each.
A new credential comes about in one of four ways: ``minting.py``, ``regenerating.py``, ``choosing.py`` and
``renewing.py`` each hold a `gateway.maker.Maker` and the base of its kinds. ``deliveries/`` has a file for each kind of
destination.

What a person starts is apart: ``commands/`` is the command line of ``keeper-rotation``; ``operating/``, ``discovery/``
and ``tls/`` do what it asks for, and ``listening/`` is the listener. No rotation imports any of it.
"""

__version__ = "0.1.0"
DOOR = 1
"""What an attached script and this package agree on: the line on stdin, the exit codes. Raised when these change."""
