"""The scripts that are attached in the vault: doors to the kinds of this package, and to `run-due`; all from `DOOR`.

A door stands alone, or in one file with the package (`gateway.commands.bundle`).
"""

from __future__ import annotations

from importlib import import_module
from string import Template

from gateway import DOOR as NUMBER
from gateway import __version__
from gateway.model.kind_facts import KindFacts

# It says what is wrong to any Python, so it is written for all of them. The story is that of the kind's own file.
DOOR = Template(r'''#!/usr/bin/env python3
"""$story

$attach
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
        "make the script command the full path of a newer Python $with_what",
    )
try:
    from $entry import open_door
except ImportError as error:
$explain
except Exception as error:
    refuse(
        "the package cannot be loaded in " + sys.executable + ": " + type(error).__name__ + ": " + str(error),
        "where an upgrade is under way, run it again after it; else install what is broken anew",
    )
sys.exit(open_door("$name", door=$number))
''')

_ATTACH = """\
Attach this file to a PAM User record as a PAM script. The script command is the full path of the Python in which the
package keeper-azure-rotation is installed, such as /opt/keeper-azure-rotation/bin/python. This file only starts
what the package does ({path}): an upgrade of the package needs no new file."""
_EXPLAIN = """\
    if error.name == "gateway":
        refuse(
            "keeper-azure-rotation is not installed in " + sys.executable,
            "make the script command the full path of the Python in which it is installed",
        )
    where = "keeper-azure-rotation in " + sys.executable
    if (error.name or "").startswith("gateway."):
        refuse(where + " is older than this script", "upgrade the package")
    refuse(where + " is incomplete: " + str(error), "also install what its requirements.txt lists")"""

_ATTACH_INSIDE = """\
Attach this file to a PAM User record as a PAM script. The script command is the full path of a Python, 3.11 or newer,
that has the packages keeper-secrets-manager-core and azure-identity. keeper-azure-rotation {version} is in this file
({path}): an upgrade is a new file."""
_EXPLAIN_INSIDE = """\
    refuse(
        "a package is missing in " + sys.executable + ": " + str(error),
        "install it for that Python: pip install keeper-secrets-manager-core azure-identity",
    )"""


def door_of(facts: KindFacts) -> str:
    """The script of this kind, where the package is installed."""
    return _door(_module(facts), "gateway.run", facts.name)


def door_inside(facts: KindFacts) -> str:
    """The script of this kind, in one file with the package."""
    module = _module(facts)
    attach = _ATTACH_INSIDE.format(version=__version__, path=_path(module))
    return _filled(module, "gateway.run", facts.name, attach, "that has both packages", _EXPLAIN_INSIDE)


def due_door() -> str:
    """The script that runs all records of a folder that are due."""
    return _door("gateway.commands.run_due.door", "gateway.commands.run_due.door", "rotate_due")


def _module(facts: KindFacts) -> str:
    return facts.implementation.partition(":")[0]


def _path(module: str) -> str:
    return module.replace(".", "/") + ".py"


def _door(module: str, entry: str, name: str) -> str:
    attach = _ATTACH.format(path=_path(module))
    return _filled(module, entry, name, attach, "in which keeper-azure-rotation is installed", _EXPLAIN)


def _filled(module: str, entry: str, name: str, attach: str, with_what: str, explain: str) -> str:
    story = (import_module(module).__doc__ or "").strip()
    return DOOR.substitute(
        story=story, attach=attach, with_what=with_what, explain=explain, entry=entry, name=name, number=NUMBER
    )
