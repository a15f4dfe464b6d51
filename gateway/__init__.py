"""What the rotation scripts share, installed on the host of the Keeper Gateway.

Keeper's *Gateway* is a process that Keeper runs; this package called ``gateway`` is only a library on its host.

The way through a run::

    stdin ── run.py ──> keeper/parameters.py ──> engine/prepare.py ──> engine/order.py ──> exit code, one JSON line
             errors     both base64 layers       the record, the       the order of
             to codes                            sign-in, the target   steps, once

The rooms, from the top down::

    commands/     what a person starts: keeper-rotation, one folder or file per command
    listener/     what an event starts: keeper-rotation listen
    kinds/        what is rotated: one file per kind of credential
    engine/       the order of a rotation, and what to do when a step breaks half-way
    deliveries/   who else gets the new secret: one file per kind of destination
    keeper/       Keeper's vault
    azure/        Entra, Microsoft Graph, Resource Manager and Key Vault
    mongodb.py    MongoDB
    host/         this process: settings, locks, deadlines, HTTP, reports
    model/        nouns and decisions, without input or output
    errors.py     and secret.py: what all of them stand on

No rotation imports ``commands/`` or ``listener/``; ``keeper/`` and ``azure/`` do not know each other.
"""

__version__ = "0.2.0"
DOOR = 1
"""What an attached script and this package agree on: the line on stdin, the exit codes. Raised when these change."""
