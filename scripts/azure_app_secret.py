#!/usr/bin/env python3
"""Rotate the client secret of an Azure app registration. Attach this file to a PAM User record as a PAM script.

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
from gateway.credential import HandOver, Target  # noqa: E402
from gateway.entra import CANNOT_SIGN_IN, aadsts  # noqa: E402
from gateway.kind import Outputs  # noqa: E402
from gateway.minting import MintedKind  # noqa: E402
from gateway.owners import make_owners  # noqa: E402
from gateway.run import run  # noqa: E402


class AzureAppSecret(MintedKind):
    """A client secret of an app registration, in Microsoft Graph.

    https://learn.microsoft.com/graph/api/application-addpassword
    """

    target = "application_object_id"
    outputs = Outputs(key_id="client_secret_id", value="client_secret", expires="expires")

    def __init__(self, http, cloud, admin):
        self.azure = Azure(http, cloud, admin, begin_with=cloud.graph)

    def find(self, given, wanted):
        """The application: by object id, client id, or its service principal's object id."""
        app = self.azure.graph.find_application(given)
        self.object_id, self.client_id = app.object_id, app.client_id
        # https://learn.microsoft.com/entra/identity-platform/supported-accounts-validation
        most_live = 2 if "PersonalMicrosoftAccount" in app.audience else None
        can_sign_in = app.audience != "PersonalMicrosoftAccount"
        target = Target(app.object_id, app.client_id, app.name, app.created, most_live, can_sign_in)
        return target, app.passwords

    def live(self):
        """Its client secrets, by key id: Graph never shows a value again."""
        return self.azure.graph.application(self.object_id).passwords

    def mint(self, name, ends):
        """A new one, beside the old ones."""
        return self.azure.graph.add_password(self.object_id, name, ends)

    def prove(self, minted):
        """The token endpoint accepts it."""
        self.azure.entra.accepts(self.client_id, minted.value)

    def cannot_sign_in(self, error):
        """No service principal, or a disabled one: then no secret is ever accepted."""
        return aadsts(error) in CANNOT_SIGN_IN and not self.azure.graph.can_sign_in(self.client_id)

    def retire(self, key_id):
        """An old one ends at once; tokens that it got live on for about an hour."""
        return self.azure.graph.remove_password(self.object_id, key_id)

    def hand_over(self):
        """As a client secret, with the client id that it belongs to."""
        roles = {"clientid": self.client_id, "tenantid": self.azure.tenant_id, "granttype": "client_credentials"}
        return HandOver(roles, "clientid", "clientsecret", "ClientSecret", for_service_connections=True)

    def rotates_itself(self, admin):
        """The rotating application is the one that is rotated."""
        return admin.client_id.lower() == self.client_id.lower()

    def make_owners(self, owners):
        """Whoever the record names becomes an owner of the registration."""
        return make_owners(self.azure.graph, self.object_id, owners) if owners else []

    def sign_in_again(self, value):
        """Before an old secret of our own goes, the new one must carry us."""
        self.azure.sign_in_again(value)


if __name__ == "__main__":
    sys.exit(run(AzureAppSecret))
