#!/usr/bin/env python3
"""Hand a password that Keeper has rotated to Key Vault and others. Attach this file to that record as a PAM script.

Needs the package keeper-azure-rotation on the host of the Keeper Gateway; the script command is the full path of the
Python that it is installed in, such as /opt/keeper-azure-rotation/bin/python.
"""

import json
import sys

FITS = "0.1"  # the series of keeper-azure-rotation that this file is written for


def refuse(error, hint):
    """Nothing was read yet: say so in the form that every outcome has, and fail."""
    print(json.dumps({"result": "failed", "error": error, "hint": hint}))
    sys.stderr.write("error: " + error + "\nhint: " + hint + "\n")
    sys.exit(1)


if sys.version_info < (3, 11):  # noqa: UP036
    refuse(
        "Python " + sys.version.split()[0] + " is too old, 3.11 or newer is needed",
        "make the script command the full path of a newer Python in which keeper-azure-rotation is installed",
    )
try:
    from gateway import __version__
except ImportError:
    refuse(
        "keeper-azure-rotation is not installed in " + sys.executable,
        "make the script command the full path of the Python in which it is installed",
    )
if __version__.split(".")[:2] != FITS.split("."):
    refuse(
        "this script is for keeper-azure-rotation " + FITS + ", installed is " + __version__,
        "install that series, or attach the script of the installed one to the record",
    )

from gateway.run import run  # noqa: E402

if __name__ == "__main__":
    sys.exit(run("publish_password"))
