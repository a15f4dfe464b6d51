#!/usr/bin/env python3
"""Rotate the keys of an Azure storage account, in turn. Attach this file to a PAM User record as a PAM script.

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

from gateway.azure import Azure  # noqa: E402
from gateway.kind import Outputs  # noqa: E402
from gateway.regenerating import RegeneratedKind  # noqa: E402
from gateway.run import run  # noqa: E402
from gateway.storage import StorageAccount  # noqa: E402


class AzureStorageKey(RegeneratedKind):
    """The two keys of a storage account: one is published, the other one is regenerated and takes its place.

    https://learn.microsoft.com/azure/storage/common/storage-account-keys-manage
    """

    target = "storage_account_id"
    outputs = Outputs(key_id="active_key", value="storage_key", expires="expires")
    proof = "request"
    defaults = {"remove_old": "none"}  # noqa: RUF012 (this file must be understood by a Python that is too old)

    def __init__(self, http, cloud, admin):
        self.azure = Azure(http, cloud, admin, begin_with=cloud.arm)

    def find(self, given, wanted):
        """The account, by its resource id, and its keys."""
        self.lifetime = wanted.lifetime
        self.account = StorageAccount(self.azure, given)
        return self.account.target(), self.live()

    def live(self):
        """Both keys, which Azure shows as often as it is asked."""
        return self.account.keys(self.lifetime)

    def published_id(self, record):
        """The value tells which key it is, whatever name somebody wrote beside it."""
        return self.account.name_of(record.secret("storage_key")) or super().published_id(record)

    def regenerate(self, key_id):
        """A key ends when it is regenerated."""
        self.account.regenerate(key_id)

    def read(self, key_id, ends):
        """Azure shows its value."""
        return self.account.published(key_id, ends)

    def prove(self, minted):
        """A request that the key signs, through Microsoft's own client."""
        self.account.signs_in(minted.value)

    def cannot_sign_in(self, error):
        """The account admits no keys at all (allowSharedKeyAccess is off)."""
        return not self.account.admits_keys

    def more_outputs(self, minted, record):
        """The connection string that most consumers take."""
        return {"connection_string": self.account.connection_string(minted.value)}

    def hand_over(self):
        """As an access key, with the tags that Microsoft's own rotation samples put on a secret."""
        return self.account.hand_over(self.lifetime)


if __name__ == "__main__":
    sys.exit(run(AzureStorageKey))
