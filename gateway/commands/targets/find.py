"""What is found where: the secrets, service connections, runbooks and API connections that a rotation could serve.

No value of a secret is read. Of Key Vault, whose own check reads the secret, the rights are asked instead. Sources:
https://learn.microsoft.com/rest/api/authorization/permissions/list-for-resource
https://learn.microsoft.com/rest/api/azure/devops/core/projects/list
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from itertools import chain
from typing import Any
from urllib.parse import quote

from gateway.azure.api_connections import read_connection
from gateway.azure.automation import Parameter, read_runbook, runbooks, worker_groups
from gateway.azure.devops import DevOps, Endpoint
from gateway.azure.resources import Resource, Vault, read_resource, read_vault
from gateway.azure.versions import API_CONNECTIONS, AUTOMATION_ACCOUNTS, KEY_VAULTS, RESOURCES, RUNBOOKS
from gateway.commands.targets.ask import Asker, Candidate
from gateway.deliveries.addresses import read_destinations
from gateway.deliveries.api_connection import ApiConnection
from gateway.deliveries.base import Destination
from gateway.deliveries.devops import DevOpsConnection
from gateway.deliveries.key_vault import ROLE, KeyVaultSecretDestination, is_ours
from gateway.deliveries.runbook import AutomationRunbook
from gateway.errors import CallError, Failed
from gateway.host.background import Background, side_by_side

HEADINGS = {
    "key_vault": "Key Vault secrets",
    "azure_devops": "Azure DevOps service connections",
    "runbook": "Automation runbooks",
    "api_connection": "Logic Apps API connections",
}
_SECRETS_READER = "give the admin credential's service principal the role Key Vault Reader on the vault"
_VAULT_ACTIONS = [
    f"Microsoft.KeyVault/vaults/secrets/{what}/action" for what in ("getSecret", "setSecret", "readMetadata", "update")
]
_PROJECTS_A_PAGE = 100


def find(asker: Asker, kinds: Collection[str], organisations: list[str], unanswered: set[str]) -> list[Candidate]:
    """All of these kinds, and what can be used first. ``unanswered``: the services that are being asked."""
    unanswered.clear()
    unanswered.add("Azure subscriptions")
    services: dict[str, Callable[[], list[Candidate]]] = {}
    if "azure_devops" in kinds and asker.context.delivery_form.for_service_connections:
        services["azure_devops"] = _ServiceConnections(asker, organisations).all
    inside = {"key_vault": _Secrets(asker).all, "runbook": _Runbooks(asker).all}
    inside |= {"api_connection": _ApiConnections(asker).all}
    if not inside.keys().isdisjoint(kinds) and asker.find_subscriptions():
        services |= {kind: call for kind, call in inside.items() if kind in kinds}
    unanswered.clear()

    def ask(heading: str, call: Callable[[], list[Candidate]]) -> list[Candidate]:
        unanswered.add(heading)
        found = asker.attempt(heading, call)
        unanswered.discard(heading)
        return found or []

    running = [Background(partial(ask, HEADINGS[kind], call)) for kind, call in services.items()]
    found = list(chain.from_iterable(each.result() for each in running))
    order, verdicts = list(HEADINGS), [True, None, False]
    return sorted(found, key=lambda each: (order.index(each.kind), verdicts.index(each.usable), each.address))


class _Secrets:
    """Key Vault: every secret of every vault, and a new one."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    def all(self) -> list[Candidate]:
        path = "providers/Microsoft.KeyVault/vaults"
        vaults = self._asker.resources("Key Vaults", path, KEY_VAULTS, read_vault)
        named = [(vault.name, vault) for vault in vaults]
        return self._asker.each("Key Vault", self._key_vault, named, _SECRETS_READER)

    def _key_vault(self, vault: Vault) -> list[Candidate]:
        url = vault.url
        read_destinations(f"{url}/secrets/name", self._asker.cloud)  # no token for a host outside of the cloud
        every, context = KeyVaultSecretDestination(url, "", False), self._asker.context
        client = every.client(context)
        secrets = every.retrying(context, lambda: list(client.list_properties_of_secrets()))
        usable, doubt = self._may_set(vault, vault.id)
        note = doubt or ("a new secret" if usable else f"a new secret needs the role {ROLE} on the vault")
        new = Candidate("key_vault", f"{url}/secrets/<new name>", "", note, usable)
        return [*side_by_side(partial(self._secret, vault, url), secrets), new]

    def _secret(self, vault: Vault, url: str, secret: Any) -> Candidate:
        def check(_: Destination) -> str:
            if secret.managed:
                raise Failed("it belongs to a certificate of the vault")
            if secret.enabled is False and not is_ours(secret, self._asker.context):
                raise Failed("its current version is disabled")
            usable, doubt = self._may_set(vault, vault.id)
            if usable is False:
                usable, doubt = self._may_set(vault, f"{vault.id}/secrets/{secret.name}")
            if usable is False:
                raise Failed(f"needs the role {ROLE}")
            return doubt

        return self._asker.judge("key_vault", f"{url}/secrets/{secret.name}", str(secret.name), check=check)

    def _may_set(self, vault: Vault, scope: str) -> tuple[bool | None, str]:
        """Whether we may read and set secrets there, or what keeps us from knowing."""
        if not vault.by_roles:
            return None, "the vault goes by access policies: needs get, set, list and update of secrets"
        try:
            granted = self._asker.arm.permissions(scope)
        except CallError:
            return None, f"our rights are not shown: needs the role {ROLE}"
        return all(any(each.allows_data(action) for each in granted) for action in _VAULT_ACTIONS), ""


class _ServiceConnections:
    """Azure DevOps: the service connections of these organisations."""

    def __init__(self, asker: Asker, organisations: list[str]) -> None:
        self._asker, self._organisations = asker, organisations

    def all(self) -> list[Candidate]:
        if not self._organisations:
            raise Failed("not asked, as organisations cannot be listed", "name yours with --organisation NAME")
        named = [(name, name) for name in self._organisations]
        return self._asker.each("Azure DevOps organisation", self._organisation, named, DevOpsConnection.rights)

    def _organisation(self, organisation: str) -> list[Candidate]:
        projects = [(project, (organisation, project)) for project in self._projects(organisation)]
        what = f"Azure DevOps organisation {organisation}, project"
        listed = self._asker.each(what, self._endpoints, projects, DevOpsConnection.rights)
        # A shared connection is in several projects, and delivered to once.
        once = {endpoint.endpoint_id: (project, endpoint) for project, endpoint in reversed(listed)}
        return side_by_side(partial(self._endpoint, organisation), list(once.values()))

    def _projects(self, organisation: str) -> list[str]:
        found: dict[str, None] = {}
        while True:
            listed = self._devops(organisation).projects(len(found), _PROJECTS_A_PAGE)
            new = {project: None for project in listed if project not in found}
            found |= new
            if len(new) < _PROJECTS_A_PAGE:
                return list(found)

    def _endpoints(self, named: tuple[str, str]) -> list[tuple[str, Endpoint]]:
        organisation, project = named
        return [(project, endpoint) for endpoint in self._devops(organisation).endpoints(project)]

    def _devops(self, organisation: str) -> DevOps:
        return DevOpsConnection(organisation, "", "", False).organisation_of(self._asker.context)

    def _endpoint(self, organisation: str, listed: tuple[str, Endpoint]) -> Candidate:
        project, endpoint = listed
        connection = DevOpsConnection(organisation, project, endpoint.endpoint_id, False)
        owner = self._asker.owner

        def check(destination: Destination) -> str:
            # Without the app, the rest can be judged all the same.
            connection.check_scheme(endpoint, owner or endpoint.client_id)
            return self._asker.refusals(destination) if owner else "the record's app is not known"

        projects = [name or project for _, name in endpoint.projects] or [project]
        name = f"{endpoint.name} ({', '.join(projects)})"
        return self._asker.judge("azure_devops", connection.address, name, check=check)


class _Runbooks:
    """Automation: each runbook, in Azure and on each worker group of its account."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    def all(self) -> list[Candidate]:
        path = "providers/Microsoft.Automation/automationAccounts"
        accounts = self._asker.resources("Automation accounts", path, AUTOMATION_ACCOUNTS, read_resource)
        named = [(account.name, account) for account in accounts]
        return self._asker.each("Automation account", self._account, named, AutomationRunbook.rights)

    def _account(self, account: Resource) -> list[Candidate]:
        arm, rights = self._asker.arm, AutomationRunbook.rights
        workers = partial(worker_groups, arm, account.id)
        groups = ["", *(self._asker.attempt(f"worker groups of {account.name}", workers, rights) or [])]
        what = f"Automation account {account.name}"
        books = self._asker.attempt(what, partial(runbooks, arm, account.id), rights) or []
        named = [(name, f"{account.id}/runbooks/{name}") for name in books]
        return self._asker.each("runbook", partial(self._runbook, groups), named, rights)

    def _runbook(self, groups: list[str], resource: str) -> list[Candidate]:
        parameters = read_runbook(self._asker.arm.get(resource, RUNBOOKS), resource).parameters
        needed = [name for name, each in parameters.items() if each.is_mandatory]
        ours = {"secretid", self._asker.context.delivery_form.parameter.lower()} & {name.lower() for name in needed}
        query = [f"{quote(name)}=<{parameters[name].kind}>" for name in needed if name.lower() not in ours]
        query += ["include_secret=true"] if ours - {"secretid"} else []
        note = _described(parameters) + ("; needs a Key Vault secret in deliver_to too" if "secretid" in ours else "")
        return [self._runbook_on(group, resource, query, note) for group in groups]

    def _runbook_on(self, group: str, resource: str, query: list[str], note: str) -> Candidate:
        options = [f"runOn={quote(group, safe='')}", *query] if group else query
        address = f"{resource}?{'&'.join(options)}" if options else resource
        runs = f"runs on the worker group {group}" if group else "runs in Azure"
        return self._asker.judge("runbook", address, resource.rpartition("/")[2], f"{runs}; {note}")


def _described(parameters: dict[str, Parameter]) -> str:
    texts = [f"{name} {each.kind}{' mandatory' if each.is_mandatory else ''}" for name, each in parameters.items()]
    return f"parameters {', '.join(texts)}" if texts else "no parameters"


class _ApiConnections:
    """Logic Apps: the API connections of every subscription."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    def all(self) -> list[Candidate]:
        path = "resources?$filter=resourceType%20eq%20'Microsoft.Web/connections'"
        listed = self._asker.resources("API connections", path, RESOURCES, read_resource)
        return side_by_side(self._connection, [connection.id for connection in listed])

    def _connection(self, resource: str) -> Candidate:
        check = partial(self._check, resource)
        return self._asker.judge("api_connection", resource, resource.rpartition("/")[2], check=check)

    def _check(self, resource: str, destination: Destination) -> str:
        connection = read_connection(self._asker.arm.get(resource, API_CONNECTIONS), resource)
        if connection.by_identity:
            raise Failed("it signs in with a managed identity")
        app = self._asker.context.delivery_form.for_service_connections
        if not self._asker.owner:
            return f"the record's {'app' if app else 'storage account'} is not known"
        # First whose it is: a role on somebody else's connection helps nobody.
        ApiConnection(resource, False).complete(self._asker.context, connection, "")
        doubt = self._asker.refusals(destination)
        if self._asker.owner in {str(value).lower() for value in connection.values.values()}:
            return doubt
        return f"it does not show which {'app it signs in as' if app else 'storage account it is of'}"
