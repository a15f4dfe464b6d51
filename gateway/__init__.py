"""What the rotation scripts share, installed on the host of the Keeper Gateway.

Keeper's *Gateway* is a process that Keeper runs; this package called ``gateway`` is only a library on its host.

The way through a run, one file per step::

    stdin ── run.py ──> params.py ──> vault.py ──> admin.py ──> rotation.py ──> exit code, one JSON line
             errors     both base64   the record   who signs    the order,
             to codes   layers        in Keeper    in to Azure  once

``rules.py`` holds the decisions without any input or output, ``minting.py`` and ``saving.py`` what to do when the two
dangerous calls break, ``http.py`` the one HTTP client, ``entra.py`` and ``graph.py`` one Azure API each.
``regenerating.py``, ``choosing.py`` and ``renewing.py`` stand in for ``minting.py`` where a credential is made in
another way; ``deliveries/`` has a file for each kind of destination.

What a person starts is apart: ``commands/`` is the command line of ``keeper-rotation``; ``operating/``, ``discovery/``
and ``tls/`` do what it asks for, and ``listening/`` is the listener. No rotation imports any of it.
"""

__version__ = "0.1.0"
