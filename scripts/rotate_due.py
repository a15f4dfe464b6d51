#!/usr/bin/env python3
"""Run all records of a folder that are due, as the script of one PAM User record, whose schedule drives them all.

Each record that is due gets a run of its own, as if its own script had been started: with its own lock, deadline,
outcome and exit code, side by side with others. What has nothing to do is left alone. The record that this script is
attached to stands for nothing itself. Those of its own folder are run; of a shared folder also those in the folders
inside it. The exit code is the worst of all runs, and the host's history has the line of each.

Field of that record: rotation_enabled, and no other. Admin credential: what is attached to a record's own
script, else what is attached to this one, else the PAM configuration: docs/run-due.md.

Attach this file to a PAM User record as a PAM script. The script command is the full path of the Python in which the
package keeper-azure-rotation is installed, such as /opt/keeper-azure-rotation/bin/python. This file only starts
what the package does (gateway/commands/run_due/door.py): an upgrade of the package needs no new file.
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
    from gateway.commands.run_due.door import open_door
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
sys.exit(open_door("rotate_due", door=1))
