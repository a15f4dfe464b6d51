#!/usr/bin/env python3
"""Rotate the two access keys of an Azure storage account, in turn.

The record publishes one of the keys. It signs a request first, so that this host is known to reach the account. The
other one is noted in the record and regenerated, which ends its former value, then it signs a request itself. It is
saved in the record (active_key, storage_key, connection_string, expires), and each destination in deliver_to gets it.
The key that was published before lives on until its turn comes; with remove_old it is regenerated after overlap_hours,
and its new value goes to nobody. A key is not regenerated while a required destination still holds it. A key that was
regenerated and could not be saved is published by the next run.

Field that names the account: storage_account_id. All others are optional: docs/storage-keys.md.
Permission of the admin credential: the roles Storage Account Key Operator Service Role and Reader on the account.

Attach this file to a PAM User record as a PAM script. The script command is the full path of the Python in which the
package keeper-azure-rotation is installed, such as /opt/keeper-azure-rotation/bin/python. This file only starts
what the package does (gateway/kinds/storage_key.py): an upgrade of the package needs no new file.
"""

import json
import os
import sys


def refuse(error, hint):
    # type: (str, str) -> None
    """Nothing was read yet: say so in the form that every outcome has, and fail, whatever becomes of the output."""
    line = json.dumps({"result": "failed", "error": error, "hint": hint})
    for stream, text in (sys.stdout, line), (sys.stderr, "error: " + error + "\nhint: " + hint):
        try:
            stream.write(text + "\n")
            stream.flush()
        except Exception:
            pass
    os._exit(1)


if sys.version_info < (3, 11):
    refuse(
        "Python " + sys.version.split()[0] + " is too old, 3.11 or newer is needed",
        "make the script command the full path of a newer Python in which keeper-azure-rotation is installed",
    )
try:
    from gateway.run import open_door
except ImportError as error:
    if error.name == "gateway":
        refuse(
            "keeper-azure-rotation is not installed in " + sys.executable,
            "make the script command the full path of the Python in which it is installed",
        )
    where = "keeper-azure-rotation in " + sys.executable
    if (error.name or "").startswith("gateway."):
        refuse(where + " is older than this script", "upgrade the package")
    refuse(where + " is incomplete: " + str(error), "also install what its requirements.txt lists")
except Exception as error:
    refuse(
        "the package cannot be loaded in " + sys.executable + ": " + type(error).__name__ + ": " + str(error),
        "where an upgrade is under way, run it again after it; else install what is broken anew",
    )
sys.exit(open_door("azure_storage_key", door=1))
