#!/usr/bin/env python3
"""Rotate the client secret of an Azure app registration.

A new client secret is made beside the old ones, in Microsoft Graph, and signs in several times in a row. It is saved in
the record (client_secret_id, client_secret, expires), and each destination in deliver_to gets it. Only then are old
secrets removed, as remove_old and overlap_hours say: by default every other secret of the app, at once. A new one that
is not accepted or cannot be saved is removed again, and the record keeps what it had.

Field that names the app: application_object_id. All others are optional: docs/fields.md.
Permission of the admin credential: Application.ReadWrite.OwnedBy of Microsoft Graph, as an owner of the app.

Attach this file to a PAM User record as a PAM script. The script command is the full path of the Python in which the
package keeper-azure-rotation is installed, such as /opt/keeper-azure-rotation/bin/python. This file only starts
what the package does (gateway/kinds/app_secret.py): an upgrade of the package needs no new file.
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
sys.exit(open_door("azure_app_secret", door=1))
