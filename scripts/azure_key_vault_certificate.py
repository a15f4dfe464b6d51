#!/usr/bin/env python3
"""Renew a certificate of Azure Key Vault before it expires.

Key Vault makes the next version itself, by the certificate's policy and what the record wants different in it, with its
issuer; where a CA has to sign, the signing request is saved in the record (csr), and each run says so until the
answer is merged. A version that is newer than the published one is published, and no other is made. The new version is
checked, attached to the record where the field export says so, saved in it (certificate_version, thumbprint, expires
and more), and each destination in deliver_to gets it. Only then are old versions disabled, as remove_old and
overlap_hours say; by default they stay. A version that could not be saved stays, and the next run publishes it.

Field that names the certificate: certificate_id. All others are optional: docs/certificates.md.
Permission of the admin credential: the role Key Vault Certificates Officer on the vault; Key Vault Secrets User,
too, where the private key is exported or delivered.

Attach this file to a PAM User record as a PAM script. The script command is the full path of the Python in which the
package keeper-azure-rotation is installed, such as /opt/keeper-azure-rotation/bin/python. This file only starts
what the package does (gateway/kinds/certificate.py): an upgrade of the package needs no new file.
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
sys.exit(open_door("azure_key_vault_certificate", door=1))
