#!/usr/bin/env python3
"""Hand on a password that Keeper itself has rotated.

Keeper sets a new password (of a MongoDB, Linux, Active Directory or SQL user, or another) and runs this script, which
makes nothing and saves no secret. Each destination in deliver_to gets the password, as value_template says; where it
can be read back, it is compared. The old password is dead before this begins, so no destination waits for another:
what cannot be served is named, and all others are served. The next run delivers the rest, with the password that the
record holds then. Which destination holds which password is noted in rotation_state, without a secret.

Field that names the destinations: deliver_to. All others are optional: docs/publish-password.md.
Permission of the admin credential: what its destinations ask for, docs/permissions.md.

Attach this file to a PAM User record as a PAM script. The script command is the full path of the Python in which the
package keeper-azure-rotation is installed, such as /opt/keeper-azure-rotation/bin/python. This file only starts
what the package does (gateway/kinds/published_password.py): an upgrade of the package needs no new file.
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
sys.exit(open_door("publish_password", door=1))
