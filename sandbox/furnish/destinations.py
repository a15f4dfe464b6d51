"""All that a rotated secret is delivered to, as an operator would have set it up, and the least roles for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote

from sandbox.automation.jobs import Account, Parameter, Runbook
from sandbox.devops.model import Endpoint, Organization, Project
from sandbox.furnish.rotation import Furnished
from sandbox.key_vault.vaults import Vault
from sandbox.logic_apps.connections import Connection
from sandbox.logic_apps.connectors import CLIENT_ID, CLIENT_SECRET, GRANT_TYPE
from sandbox.world import World

WORKER_GROUP = "onprem"
# Fields of a service connection that no documentation names, to see whether a client carries them along.
UNKNOWN_FIELDS = {"sandboxExtra": {"kept": ["as", "it", "was"]}, "administratorsGroup": None, "readersGroup": None}


@dataclass(frozen=True)
class Destinations:
    """What was made, and the addresses of it as they are pasted from the portal.

    ``connection_address`` is of the connector Key Vault (``parameterValues``), ``set_connection_address`` of one with a
    ``parameterValueSet``.
    """

    secret_address: str
    devops_address: str
    runbook_address: str
    connection_address: str
    set_connection_address: str
    worker_group: str
    secret_name: str
    client_id: str
    vault: Vault = field(repr=False)
    organization: Organization = field(repr=False)
    projects: tuple[Project, ...] = field(repr=False)
    endpoint: Endpoint = field(repr=False)
    account: Account = field(repr=False)
    runbook: Runbook = field(repr=False)
    connection: Connection = field(repr=False)
    set_connection: Connection = field(repr=False)
    sandbox: World = field(repr=False)

    @property
    def addresses(self) -> tuple[str, ...]:
        """All of them; the runbook's says where to run, and what the runbook insists on."""
        runbook = f"{self.runbook_address}?runOn={self.worker_group}&Environment=prod"
        return (
            self.secret_address, self.devops_address, runbook, self.connection_address, self.set_connection_address
        )  # fmt: skip

    def held(self) -> dict[str, str | None]:
        """The client secret that each destination holds now, by the address without parameters.

        The runbook holds what its last job was given as ``ClientSecret``.
        """
        jobs = self.sandbox.automation.started(self.runbook)
        return {
            self.secret_address: self.sandbox.keyvault.value(self.vault, self.secret_name),
            self.devops_address: self.endpoint.parameters.get("serviceprincipalkey"),
            self.runbook_address: jobs[-1].parameters.get("ClientSecret") if jobs else None,
            self.connection_address: self._connection_secret(self.connection),
            self.set_connection_address: self._connection_secret(self.set_connection),
        }

    def working(self) -> dict[str, bool]:
        """Whether what each destination holds signs in now, for those that hold anything."""
        accepted = self.sandbox.entra.secret_works
        return {where: accepted(self.client_id, text) for where, text in self.held().items() if text is not None}

    def tested(self) -> dict[str, bool]:
        """What the destinations that have a test of their own would say of themselves."""
        return {
            self.devops_address: self.sandbox.devops.works(self.endpoint),
            self.connection_address: self.sandbox.connections.works(self.connection.id),
            self.set_connection_address: self.sandbox.connections.works(self.set_connection.id),
        }

    def _connection_secret(self, connection: Connection) -> str | None:
        found = self.sandbox.connections.find(connection.id)
        return found.values.get(CLIENT_SECRET)


def furnish_destinations(
    sandbox: World, at: Furnished, *, prefix: str = "orders", granted: bool = True, browse: bool = False
) -> Destinations:
    """Make one destination of each kind that holds the published secret of ``at``, and a second API connection.

    ``granted``: the admin application gets the least roles that a delivery needs; ``browse``: also those that list
    everything there is.
    """
    secret = at.old_secrets[-1] if at.old_secrets else sandbox.directory.new_secret()
    vault = _vault(sandbox, prefix, secret)
    organization, projects, endpoint = _service_connection(sandbox, at, prefix, secret)
    account, runbook = _runbook(sandbox, prefix)
    plain, chosen = _connections(sandbox, at, prefix, secret)
    project = quote(projects[0].name)
    made = Destinations(
        secret_address=f"{vault.url}/secrets/{prefix}-api-secret",
        devops_address=(
            f"https://dev.azure.com/{organization.name}/{project}/_settings/adminservices?resourceId={endpoint.id}"
        ),
        runbook_address=f"{account.id}/runbooks/{runbook.name}",
        connection_address=plain.id,
        set_connection_address=chosen.id,
        worker_group=WORKER_GROUP,
        secret_name=f"{prefix}-api-secret",
        client_id=at.target_client_id,
        vault=vault,
        organization=organization,
        projects=projects,
        endpoint=endpoint,
        account=account,
        runbook=runbook,
        connection=plain,
        set_connection=chosen,
        sandbox=sandbox,
    )
    if granted:
        _grant(sandbox, at.admin_client_id, made)
    if browse:
        sandbox.arm.grant(at.admin_client_id, "Reader", sandbox.group_id)
        sandbox.keyvault.grant(at.admin_client_id, "Key Vault Reader", vault)
    return made


def _grant(sandbox: World, admin: str, made: Destinations) -> None:
    sandbox.keyvault.grant(admin, "Key Vault Secrets Officer", made.vault, made.secret_name)
    sandbox.devops.add_member(made.organization, admin)
    sandbox.devops.grant(made.organization, admin, made.endpoint)
    sandbox.arm.grant(admin, "Automation Job Operator", made.account.id)
    sandbox.arm.grant(admin, "Automation Runbook Operator", made.runbook_address)
    for connection in (made.connection, made.set_connection):
        sandbox.arm.grant(admin, "Logic App Contributor", connection.id)


def _vault(sandbox: World, prefix: str, secret: str) -> Vault:
    vault = sandbox.keyvault.add_vault(f"{prefix}-vault", sandbox.resource_group)
    sandbox.keyvault.set_secret(
        vault, f"{prefix}-api-secret", secret, tags={"team": prefix, "purpose": "client secret"},
        content_type="text/plain", expires=sandbox.clock.now() + 30 * 86400,
    )  # fmt: skip
    return vault


def _service_connection(
    sandbox: World, at: Furnished, prefix: str, secret: str
) -> tuple[Organization, tuple[Project, ...], Endpoint]:
    organization = sandbox.devops.add_organization("contoso")
    names = (f"{prefix.title()} team", "Shared tools")
    projects = tuple(sandbox.devops.add_project(organization, name) for name in names)
    parameters = {
        "tenantid": at.tenant_id, "serviceprincipalid": at.target_client_id, "authenticationType": "spnKey",
        "serviceprincipalkey": secret, "scope": f"/subscriptions/{at.subscription_id}",
    }  # fmt: skip
    endpoint = sandbox.devops.add_endpoint(
        organization, list(projects), f"{prefix}-production", parameters, more=UNKNOWN_FIELDS
    )
    # Its own test reads the subscription that it names.
    endpoint.content["data"]["subscriptionId"] = at.subscription_id
    sandbox.arm.grant(at.target_client_id, "Reader", f"/subscriptions/{at.subscription_id}")
    return organization, projects, endpoint


def _runbook(sandbox: World, prefix: str) -> tuple[Account, Runbook]:
    account = sandbox.automation.add_account(f"{prefix}-automation", sandbox.resource_group, (WORKER_GROUP,))
    runbook = sandbox.automation.add_runbook(account, f"update-{prefix}", {
        "ClientSecret": Parameter(), "Environment": Parameter(mandatory=True), "SecretId": Parameter(),
    })  # fmt: skip
    return account, runbook


def _connections(sandbox: World, at: Furnished, prefix: str, secret: str) -> tuple[Connection, Connection]:
    sign_in = {
        CLIENT_ID: at.target_client_id, CLIENT_SECRET: secret, "token:TenantId": at.tenant_id,
        GRANT_TYPE: "client_credentials",
    }  # fmt: skip
    tags = {"team": prefix}
    plain = sandbox.connections.add_connection(
        f"{prefix}-keyvault", "keyvault", sign_in | {"vaultName": f"{prefix}-vault"}, tags=tags
    )
    chosen = sandbox.connections.add_connection(
        f"{prefix}-tables", "azuretables", sign_in | {"storageaccount": f"{prefix}data"}, chosen="oauthSP", tags=tags
    )
    return plain, chosen
