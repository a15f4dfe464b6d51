#!/usr/bin/env python3
"""Rotate the password of a MongoDB user, or of two users that take turns.

A new password is chosen and saved in the record as pending_password. Then the administrator, whose record is attached
to the script, sets it on the server, which forgets the old one at that moment (with alternate_login the other user gets
it, and the former one goes on working). It logs in several times in a row, is saved as the record's password, and each
destination in deliver_to gets it, as value_template says. A password that the server does not take changes nothing;
where that cannot be told, the record holds both, and the next run finds out which one logs in.

Fields that name the user: mongodb_uri, and the record's login. All others are optional: docs/mongodb.md.
The administrator's record says in mongodb_hosts at which servers it may be used; without TLS only if it says so.
Permission of the administrator: changePassword and viewUser on the user's database, as the role userAdmin has them.
Needs the package pymongo as well.

Attach this file to a PAM User record as a PAM script. The script command is the full path of the Python in which the
package keeper-azure-rotation is installed, such as /opt/keeper-azure-rotation/bin/python. This file only starts
what the package does (gateway/kinds/mongodb_user.py): an upgrade of the package needs no new file.
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
sys.exit(open_door("mongodb_user", door=1))
