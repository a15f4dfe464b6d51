"""Rotate the client secret of an Azure app registration.

A new client secret is made beside the old ones, in Microsoft Graph, and signs in several times in a row. It is saved in
the record (client_secret_id, client_secret, expires), and each destination in deliver_to gets it. Only then are old
secrets removed, as remove_old and overlap_hours say: by default every other secret of the app, at once. A new one that
is not accepted or cannot be saved is removed again, and the record keeps what it had.

Field that names the app: application_object_id. All others are optional: docs/fields.md.
Permission of the admin credential: Application.ReadWrite.OwnedBy of Microsoft Graph, as an owner of the app.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from gateway.azure.apps.owners import make_owners
from gateway.azure.apps.surroundings import limits_of, principal_passwords, why_unchangeable
from gateway.azure.entra import CANNOT_SIGN_IN, WRONG_SECRETS, aadsts
from gateway.azure.graph import OWNER_HINT, Application
from gateway.azure.sign_in import Azure
from gateway.engine.gathered import Gathered
from gateway.engine.kind import Wanted
from gateway.engine.make.mint import MintedKind
from gateway.errors import CallError, Failed
from gateway.host.http import Http
from gateway.keeper.record import VaultRecord
from gateway.kinds.registry import APP_SECRET
from gateway.model.credential import AdminCredential, DeliveryForm, LiveCredential, Minted, Target
from gateway.secret import Secret

# Graph's nodes have clocks of their own: just as long as the tenant allows may be a second too long on another node.
_SPARED = timedelta(minutes=5)
_EXEMPTION = "use a certificate or workload identity federation, or ask for an exemption"


class AzureAppSecret(MintedKind):
    """A client secret of an app registration, in Microsoft Graph.

    https://learn.microsoft.com/graph/api/application-addpassword
    """

    facts = APP_SECRET
    listed = (
        "the app cannot sign in at all (no enterprise application, disabled, or for personal accounts only): "
        "the new secret was proved by Graph's listing"
    )
    azure: Azure
    object_id = client_id = ""

    def __init__(self, http: Http, admin: AdminCredential) -> None:
        self.azure = Azure(http, admin, begin_with=admin.cloud.graph)
        self._admin_client_id = admin.client_id

    def identify(self, given: str) -> None:
        """By object id, client id, or its service principal's object id."""
        self._find(given)

    def _find(self, given: str) -> Application:
        app = self.azure.graph.find_application(given)
        self.object_id, self.client_id = app.object_id, app.client_id
        return app

    def find(self, given: str, wanted: Wanted) -> tuple[Target, tuple[LiveCredential, ...]]:
        """The application, with its client secrets."""
        app = self._find(given)
        # https://learn.microsoft.com/entra/identity-platform/supported-accounts-validation
        most_live = 2 if "PersonalMicrosoftAccount" in app.audience else None
        can_sign_in = app.audience != "PersonalMicrosoftAccount"
        target = Target(app.object_id, app.client_id, app.name, app.created, most_live, can_sign_in)
        return target, app.passwords

    def live(self) -> tuple[LiveCredential, ...]:
        """Its client secrets, by key id: Graph never shows a value again."""
        return self.azure.graph.application(self.object_id).passwords

    def mint(self, name: str, ends: datetime) -> Minted:
        """A new one, beside the old ones."""
        return self.azure.graph.add_password(self.object_id, name, ends - _SPARED)

    def prove(self, minted: Minted) -> None:
        """The token endpoint accepts it."""
        self.azure.entra.accepts(self.client_id, minted.value)

    def expect_proofs(self, times: int) -> None:
        """Each sign-in has a connection of its own, which is opened meanwhile."""
        self.azure.entra.expect(times)

    def is_refusal(self, error: CallError) -> bool:
        """Entra says that the secret is wrong, or has expired."""
        return aadsts(error) in WRONG_SECRETS

    def cannot_sign_in(self, error: CallError) -> bool:
        """No service principal, or a disabled one: then no secret is ever accepted."""
        return aadsts(error) in CANNOT_SIGN_IN and not self.azure.graph.can_sign_in(self.client_id)

    def retire(self, key_id: str) -> bool:
        """An old one ends at once; tokens that it got live on for about an hour."""
        return self.azure.graph.remove_password(self.object_id, key_id)

    def delivery_form(self) -> DeliveryForm:
        """As a client secret, with the client id that it belongs to."""
        form = self.facts.delivery_form
        return replace(form, roles={**form.roles, "clientid": self.client_id, "tenantid": self.azure.tenant_id})

    def more_outputs(self, minted: Minted, record: VaultRecord) -> dict[str, str]:
        """All that a reader of the record signs in with."""
        return {"client_id": self.client_id, "tenant_id": self.azure.tenant_id}

    def remarks(self, gathered: Gathered) -> list[Failed | str]:
        """What Graph would refuse us, and the tenant's policies anybody, and passwords that are not the app's own."""
        graph, target = self.azure.graph, gathered.target
        limits = limits_of(graph, target.object_id, target.created)
        found: list[Failed | str] = []
        if self._admin_client_id and (why := why_unchangeable(graph, target.object_id, self._admin_client_id)):
            found.append(Failed(f"no new secret: the admin credential may not change the app: {why}", OWNER_HINT))
        if limits.forbidden:
            found.append(Failed("the tenant's app management policy forbids client secrets on this app", _EXEMPTION))
        elif limits.longest is not None and gathered.policy.lifetime - _SPARED > limits.longest:
            days, most = gathered.policy.lifetime.days, limits.longest.days
            what = f"secret_lifetime_days: {days} days, and the tenant's app management policy allows {most}"
            found.append(Failed(what, f"lower secret_lifetime_days to {most}, or ask for an exemption"))
        if others := principal_passwords(graph, self.client_id, gathered.known.now):
            named = ", ".join(each.key_id for each in others)
            found.append(f"the app's service principal has passwords of its own, which no rotation replaces: {named}")
        return found

    def rotates_itself(self, admin: AdminCredential) -> bool:
        """The app of the admin credential is the one that is rotated, and signs in with a secret."""
        return admin.client_secret is not None and admin.client_id.lower() == self.client_id.lower()

    def make_owners(self, owners: tuple[str, ...]) -> list[str]:
        """Whoever the record names becomes an owner of the registration."""
        return make_owners(self.azure.graph, self.object_id, owners) if owners else []

    def sign_in_again(self, value: Secret) -> None:
        """Before an old secret of our own goes, the new one must carry us."""
        self.azure.sign_in_again(value)
