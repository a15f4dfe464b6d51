"""``keeper-rotation targets``: what a record's admin credential can reach, as addresses for its field ``deliver_to``.

Nothing is written anywhere, and no value of a secret is read. Whether an address would be accepted is asked of the
destination's own check, the one that a rotation begins with; only of Key Vault, where that check reads the secret, the
rights are asked instead. Sources: https://learn.microsoft.com/rest/api/resources/subscriptions/list
https://learn.microsoft.com/rest/api/authorization/permissions/list-for-resource
https://learn.microsoft.com/rest/api/azure/devops/core/projects/list
"""

from __future__ import annotations

import io
import json
import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import chain
from typing import Any, TypeVar
from urllib.parse import quote

import click

from gateway.admin import Places, choose_admin, early_admin
from gateway.arm import Arm, _allows
from gateway.aside import Aside
from gateway.azure import Azure
from gateway.by_hand import gateway_line
from gateway.clouds import Cloud
from gateway.credential import HandOver
from gateway.deadline import Deadline
from gateway.deliveries.api_connection import API_VERSION, ApiConnection
from gateway.deliveries.base import Destination, Reach
from gateway.deliveries.devops import ROOT, DevOpsConnection
from gateway.deliveries.key_vault import ROLE, KeyVaultSecretDestination
from gateway.deliveries.kinds import read_destinations
from gateway.deliveries.runbook import AutomationRunbook
from gateway.errors import PERMISSION_HINT, CallError, Failed, Refused
from gateway.http import Http
from gateway.ksm_config import find_ksm_config
from gateway.params import read_params
from gateway.policy import read_policy
from gateway.preparation import read_record
from gateway.secret import masked
from gateway.settings import read_settings
from gateway.vault import Vault, VaultRecord

T = TypeVar("T")
R = TypeVar("R")

HEADINGS = {
    "key_vault": "Key Vault secrets",
    "azure_devops": "Azure DevOps service connections",
    "runbook": "Automation runbooks",
    "api_connection": "Logic Apps API connections",
}
READER = "give the rotating application's service principal the role Reader on the subscription or resource group"
_SECRETS_READER = "give the rotating application's service principal the role Key Vault Reader on the vault"
_VAULT_ACTIONS = [
    f"Microsoft.KeyVault/vaults/secrets/{what}/action" for what in ("getSecret", "setSecret", "readMetadata", "update")
]
# Connections to one host at a time; requests keeps ten of them open.
_AT_ONCE = 8
_PROJECTS_A_PAGE = 100
_QUIET_SECONDS, _PROGRESS_SECONDS = 2.0, 5.0


@dataclass(frozen=True)
class Found:
    """One address. ``usable`` is None where that cannot be told from here; ``note`` says why, or what to know."""

    kind: str
    address: str
    name: str
    note: str
    usable: bool | None


def show_targets(
    record_uid: str, attached: Iterable[str], configuration_uid: str, organisations: Iterable[str], *, as_json: bool
) -> None:
    """Print everything that the record's admin credential can reach.

    Raises:
        Failed: the record or the admin credential cannot be used, or an organisation's name is none.
        CallError
    """
    logging.lastResort = None  # what libraries warn about may quote a request
    named = [_organisation(text) for text in organisations]
    asking = {"Keeper", "Entra", "Graph"}
    with _progress(asking):
        finder = _prepare(record_uid, list(attached), configuration_uid, named)
        found = finder.find(asking)
    click.echo(_json(found) if as_json else _readable(found), nl=False)
    for warning in sorted(finder.warnings):
        click.echo(masked(f"warning: {' '.join(warning.split())}"), err=True)


def _prepare(record_uid: str, attached: list[str], configuration_uid: str, organisations: list[str]) -> _Finder:
    settings = read_settings()
    http = Http(settings.request_timeout, Deadline(settings.deadline, settings.retry_base))
    vault = Vault(find_ksm_config(), http)
    params = read_params(io.BytesIO(gateway_line(vault, record_uid, attached, configuration_uid)))
    record = read_record(vault, params.record_uid)
    azure = _sign_in(http, Places(params, None, vault), record)
    client_id, warnings = _app(azure, record)
    # Whether a Key Vault secret will be there is for the reader to decide: a note says where one is needed.
    hand_over = _hand_over(azure, client_id)
    reach = Reach(http, azure, vault, params.attached, record.uid, hand_over, versions_follow=True)
    return _Finder(reach, record.value("deliver_to"), organisations, warnings)


def _sign_in(http: Http, places: Places, record: VaultRecord) -> Azure:
    """The admin credential that a rotation would choose, signed in."""
    cloud = read_policy(record.value).cloud
    admin = early_admin(places) or choose_admin(replace(places, record=record))
    try:
        azure = Azure(http, cloud, admin, begin_with=cloud.graph)
    except CallError as error:
        raise Failed(f"admin credential, {admin.source}: {error}", error.hint) from None
    azure.arm = _Arm(http, cloud.arm, lambda: azure.token(f"{cloud.arm}/.default"))
    return azure


def _organisation(text: str) -> str:
    name = text.strip().removeprefix(f"{ROOT}/").strip("/")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]*", name):
        raise Failed(f"--organisation: {text!r} is not the name of one", f"name it as in {ROOT}/<organisation>")
    return name.lower()


def _app(azure: Azure, record: VaultRecord) -> tuple[str, list[str]]:
    """The client id of the record's app; empty, with a warning, where Graph does not tell it."""
    given = record.value("application_object_id").strip()
    if not given:
        hint = "fill in this field in the vault; records of anything else than an app are not served here"
        raise Failed(f"record {record.uid} has no application_object_id", hint)
    try:
        return azure.graph.find_application(given).client_id, []
    except CallError as error:
        return "", [f"the record's app, and whose the connections are, cannot be told: {error}; {error.hint}"]


def _hand_over(azure: Azure, client_id: str) -> HandOver:
    """What the script for app secrets hands over."""
    roles = {"clientid": client_id, "tenantid": azure.tenant_id, "granttype": "client_credentials"}
    return HandOver(roles, "clientid", "clientsecret", "ClientSecret", for_service_connections=True)


class _Arm(Arm):
    """Asks for the same thing once, as many destinations ask for the same permissions, and for a few at a time."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._answers: dict[str, dict[str, Any]] = {}
        self._slots = threading.BoundedSemaphore(_AT_ONCE)

    def get(self, path: str, api_version: str) -> dict[str, Any]:
        """A resource, perhaps as it was a moment ago. Raises CallError."""
        with self._slots:
            if path not in self._answers:
                self._answers[path] = super().get(path, api_version)
        return self._answers[path]


class _Finder:
    """Asks every service, side by side; what one of them does not tell becomes a warning."""

    def __init__(self, reach: Reach, deliver_to: str, organisations: Iterable[str], warnings: list[str]) -> None:
        self._reach, self.warnings = reach, warnings
        self._cloud = cloud = reach.azure.cloud
        self._arm = reach.azure.arm
        self._client_id = reach.hand_over.roles["clientid"].lower()
        self._present = {_identity(each) for line in deliver_to.splitlines() for each in _known(line, cloud)}
        hosts = r"https://(?:dev\.azure\.com/([A-Za-z0-9-]+)|([A-Za-z0-9-]+)\.visualstudio\.com)"
        there = ((first or second).lower() for first, second in re.findall(hosts, deliver_to))
        self._organisations = list(dict.fromkeys((*organisations, *there)))
        self._subscriptions: list[dict[str, Any]] = []

    def find(self, asking: set[str]) -> list[Found]:
        """Everything, by service, and what can be used first. ``asking``: the services that have not answered yet."""
        asking.clear()
        asking.add("Azure subscriptions")
        self._subscriptions = self._try("Azure subscriptions", self._all_subscriptions, READER) or []
        asking.clear()
        services = {"azure_devops": self._all_connections_of_devops}
        if self._subscriptions:
            services |= {"key_vault": self._all_vaults, "runbook": self._all_accounts}
            services |= {"api_connection": self._all_api_connections}
        asides = [Aside(partial(self._ask, asking, HEADINGS[kind], call)) for kind, call in services.items()]
        found = list(chain.from_iterable(aside.result() for aside in asides))
        order, verdicts = list(HEADINGS), [True, None, False]
        return sorted(found, key=lambda each: (order.index(each.kind), verdicts.index(each.usable), each.address))

    def _ask(self, asking: set[str], heading: str, call: Callable[[], list[Found]]) -> list[Found]:
        asking.add(heading)
        found = self._try(heading, call, READER)
        asking.discard(heading)
        return found or []

    # Asking

    def _try(self, what: str, call: Callable[[], list[T]], permission: str) -> list[T] | None:
        """What ``call`` lists; None, and one warning, where it fails. ``permission``: what would allow it."""
        try:
            return call()
        except (Failed, CallError) as error:
            # A vault's firewall and its access policies have a hint of their own.
            denied = error.hint in (PERMISSION_HINT, KeyVaultSecretDestination.rights)
            self.warnings.append(f"{what}: {_bare(error)}; {permission if denied else error.hint}")
        except Exception as error:
            self.warnings.append(f"{what}: an answer that cannot be read ({type(error).__name__})")
        return None

    def _each(
        self, what: str, call: Callable[[R], list[T]], items: Iterable[tuple[str, R]], permission: str
    ) -> list[T]:
        """What ``call`` lists for all of these, by their names; one that fails does not take the others along."""

        def ask(item: tuple[str, R]) -> list[T]:
            return self._try(f"{what} {item[0]}", partial(call, item[1]), permission) or []

        return list(chain.from_iterable(_side_by_side(ask, list(items))))

    def _all_subscriptions(self) -> list[dict[str, Any]]:
        found = list(self._arm.pages("/subscriptions", "2022-12-01"))
        if not found:
            raise Failed("none can be seen, so no vault, runbook or API connection either", READER)
        return found

    def _resources(self, what: str, path: str, version: str) -> list[tuple[str, dict[str, Any]]]:
        """The resources at this path of every subscription, with their names."""

        def ask(subscription: dict[str, Any]) -> list[dict[str, Any]] | None:
            name = f"{what} in subscription {subscription.get('displayName')!r}"
            pages = partial(self._arm.pages, f"{subscription['id']}/{path}", version)
            return self._try(name, lambda: list(pages()), READER)

        answers = _side_by_side(ask, self._subscriptions)
        if not any(answer is None or answer for answer in answers):
            self.warnings.append(f"{what}: none can be seen; where there are any, {READER}")
        return [(str(each.get("name")), each) for each in chain.from_iterable(answer or [] for answer in answers)]

    def _judge(
        self, kind: str, address: str, name: str, note: str = "", check: Callable[[Destination], str] | None = None
    ) -> Found:
        """``check`` says what cannot be told, and raises what speaks against it; without one, the destination's own."""
        rights = ""
        try:
            (destination,) = read_destinations(address, self._cloud)
            rights = destination.rights
            doubt = check(destination) if check else self._refusals(destination)
        except (Failed, CallError) as error:
            told = isinstance(error, (Failed, Refused))
            return Found(kind, address, name, masked(_reason(error, rights)), False if told else None)
        present = "in deliver_to already" if _identity(destination) in self._present else ""
        return Found(kind, address, name, "; ".join(filter(None, (doubt, present, note))), None if doubt else True)

    def _refusals(self, destination: Destination) -> str:
        destination.check(self._reach)
        return ""

    # Key Vault

    def _all_vaults(self) -> list[Found]:
        vaults = self._resources("Key Vaults", "providers/Microsoft.KeyVault/vaults", "2023-02-01")
        return self._each("Key Vault", self._vault, vaults, _SECRETS_READER)

    def _vault(self, vault: dict[str, Any]) -> list[Found]:
        url = str(vault["properties"]["vaultUri"]).rstrip("/")
        read_destinations(f"{url}/secrets/name", self._cloud)  # no token for a host outside of the cloud
        every = KeyVaultSecretDestination(url, "", False)
        client = every._client(self._reach)
        secrets = every._patiently(self._reach, lambda: list(client.list_properties_of_secrets()))
        usable, doubt = self._may_set(vault, vault["id"])
        note = doubt or ("a new secret" if usable else f"a new secret needs the role {ROLE} on the vault")
        new = Found("key_vault", f"{url}/secrets/<new name>", "", note, usable)
        return [*_side_by_side(partial(self._secret, vault, url), secrets), new]

    def _secret(self, vault: dict[str, Any], url: str, secret: Any) -> Found:
        def check(_: Destination) -> str:
            if secret.managed:
                raise Failed("it belongs to a certificate of the vault")
            if secret.enabled is False:
                raise Failed("its current version is disabled")
            usable, doubt = self._may_set(vault, vault["id"])
            if usable is False:
                usable, doubt = self._may_set(vault, f"{vault['id']}/secrets/{secret.name}")
            if usable is False:
                raise Failed(f"needs the role {ROLE}")
            return doubt

        return self._judge("key_vault", f"{url}/secrets/{secret.name}", str(secret.name), check=check)

    def _may_set(self, vault: dict[str, Any], scope: str) -> tuple[bool | None, str]:
        """Whether we may read and set secrets there, or what keeps us from knowing."""
        if not vault["properties"].get("enableRbacAuthorization"):
            return None, "the vault goes by access policies: needs get, set, list and update of secrets"
        try:
            granted = list(self._arm.pages(f"{scope}/providers/Microsoft.Authorization/permissions", "2022-04-01"))
        except CallError:
            return None, f"our rights are not shown: needs the role {ROLE}"
        data = [{"actions": each.get("dataActions"), "notActions": each.get("notDataActions")} for each in granted]
        return all(any(_allows(entry, action) for entry in data) for action in _VAULT_ACTIONS), ""

    # Azure DevOps

    def _all_connections_of_devops(self) -> list[Found]:
        if not self._organisations:
            raise Failed("not asked, as organisations cannot be listed", "name yours with --organisation NAME")
        named = [(name, name) for name in self._organisations]
        return self._each("Azure DevOps organisation", self._organisation, named, DevOpsConnection.rights)

    def _organisation(self, organisation: str) -> list[Found]:
        projects = [(project, (organisation, project)) for project in self._projects(organisation)]
        what = f"Azure DevOps organisation {organisation}, project"
        listed = self._each(what, self._endpoints, projects, DevOpsConnection.rights)
        # A shared connection is in several projects, and delivered to once.
        once = {str(endpoint["id"]): (project, endpoint) for project, endpoint in reversed(listed)}
        return _side_by_side(partial(self._endpoint, organisation), list(once.values()))

    def _projects(self, organisation: str) -> list[str]:
        found: dict[str, None] = {}
        while True:
            path = f"_apis/projects?$top={_PROJECTS_A_PAGE}&$skip={len(found)}"
            answer = DevOpsConnection(organisation, "", "", False)._send(self._reach, "GET", path)
            new = {str(project["name"]): None for project in answer["value"] if project["name"] not in found}
            found |= new
            if len(new) < _PROJECTS_A_PAGE:
                return list(found)

    def _endpoints(self, place: tuple[str, str]) -> list[tuple[str, dict[str, Any]]]:
        organisation, project = place
        path = f"{quote(project)}/_apis/serviceendpoint/endpoints"
        answer = DevOpsConnection(organisation, project, "", False)._send(self._reach, "GET", path)
        return [(project, endpoint) for endpoint in answer["value"]]

    def _endpoint(self, organisation: str, listed: tuple[str, dict[str, Any]]) -> Found:
        project, endpoint = listed
        connection = DevOpsConnection(organisation, project, str(endpoint["id"]), False)

        def check(destination: Destination) -> str:
            parameters = (endpoint.get("authorization") or {}).get("parameters") or {}
            # Without the app, the rest can be judged all the same.
            connection._check_scheme(endpoint, self._client_id or str(parameters.get("serviceprincipalid", "")))
            return self._refusals(destination) if self._client_id else "the record's app is not known"

        shared = endpoint.get("serviceEndpointProjectReferences") or []
        projects = [str(each["projectReference"].get("name") or project) for each in shared] or [project]
        name = f"{endpoint.get('name')} ({', '.join(projects)})"
        return self._judge("azure_devops", connection.address, name, check=check)

    # Automation

    def _all_accounts(self) -> list[Found]:
        accounts = self._resources(
            "Automation accounts", "providers/Microsoft.Automation/automationAccounts", "2023-11-01"
        )
        return self._each("Automation account", self._account, accounts, AutomationRunbook.rights)

    def _account(self, account: dict[str, Any]) -> list[Found]:
        groups = self._try(
            f"worker groups of {account['name']}",
            lambda: list(self._arm.pages(f"{account['id']}/hybridRunbookWorkerGroups", "2015-10-31")),
            AutomationRunbook.rights,
        )
        places = ["", *(str(group["name"]) for group in groups or [])]
        runbooks = list(self._arm.pages(f"{account['id']}/runbooks", "2018-06-30"))
        named = [(str(runbook["name"]), f"{account['id']}/runbooks/{runbook['name']}") for runbook in runbooks]
        return self._each("runbook", partial(self._runbook, places), named, AutomationRunbook.rights)

    def _runbook(self, places: list[str], resource: str) -> list[Found]:
        about = self._arm.get(resource, "2018-06-30")["properties"]
        parameters = {str(name): each or {} for name, each in (about.get("parameters") or {}).items()}
        needed = [name for name, each in parameters.items() if each.get("isMandatory")]
        ours = {"secretid", self._reach.hand_over.parameter.lower()} & {name.lower() for name in needed}
        query = [f"{quote(name)}=<{_type(parameters[name])}>" for name in needed if name.lower() not in ours]
        query += ["include_secret=true"] if ours - {"secretid"} else []

        note = _described(parameters) + ("; needs a Key Vault secret in deliver_to too" if "secretid" in ours else "")
        return [self._runbook_at(place, resource, query, note) for place in places]

    def _runbook_at(self, place: str, resource: str, query: list[str], note: str) -> Found:
        options = [f"runOn={quote(place, safe='')}", *query] if place else query
        address = f"{resource}?{'&'.join(options)}" if options else resource
        runs = f"runs on the worker group {place}" if place else "runs in Azure"
        return self._judge("runbook", address, resource.rpartition("/")[2], f"{runs}; {note}")

    # Logic Apps

    def _all_api_connections(self) -> list[Found]:
        path = "resources?$filter=resourceType%20eq%20'Microsoft.Web/connections'"
        listed = self._resources("API connections", path, "2021-04-01")
        return _side_by_side(self._api_connection, [str(connection["id"]) for _, connection in listed])

    def _api_connection(self, resource: str) -> Found:
        def check(destination: Destination) -> str:
            connection = self._arm.get(resource, API_VERSION)
            shown = connection.get("properties") or {}
            if shown.get("parameterValueType") == "Alternative":
                raise Failed("it signs in with a managed identity")
            if not self._client_id:
                return "the record's app is not known"
            # First whose it is: a role on somebody else's connection helps nobody.
            ApiConnection(resource, False)._complete(self._reach, connection, "")
            self._refusals(destination)
            return "" if self._client_id in json.dumps(shown).lower() else "it does not show which app it signs in as"

        return self._judge("api_connection", resource, resource.rpartition("/")[2], check=check)


def _type(parameter: dict[str, Any]) -> str:
    """The last part of .NET's name: ``String`` of ``System.String``."""
    return str(parameter.get("type") or "Object").rpartition(".")[2]


def _described(parameters: dict[str, dict[str, Any]]) -> str:
    mandatory = {name: " mandatory" if each.get("isMandatory") else "" for name, each in parameters.items()}
    texts = [f"{name} {_type(each)}{mandatory[name]}" for name, each in parameters.items()]
    return f"parameters {', '.join(texts)}" if texts else "no parameters"


def _side_by_side(call: Callable[[R], T], items: Sequence[R]) -> list[T]:
    """What ``call`` returns for each, a few at a time."""
    results: list[T] = []
    for start in range(0, len(items), _AT_ONCE):
        asides = [Aside(partial(call, item)) for item in items[start : start + _AT_ONCE]]
        results += [aside.result() for aside in asides]
    return results


@contextmanager
def _progress(asking: set[str]) -> Iterator[None]:
    """Name on stderr who has not answered yet, where that takes long."""
    done = threading.Event()

    def tell() -> None:
        seconds = _QUIET_SECONDS
        while not done.wait(seconds):
            click.echo(f"still asking: {', '.join(sorted(asking))}", err=True)
            seconds = _PROGRESS_SECONDS

    Aside(tell)
    try:
        yield
    finally:
        done.set()


def _known(line: str, cloud: Cloud) -> list[Destination]:
    try:
        return read_destinations(line, cloud)
    except Failed:
        return []


def _identity(destination: Destination) -> str:
    """The same for two spellings of one place: a shared connection in two projects, a runbook with other values."""
    if isinstance(destination, DevOpsConnection):
        return f"{destination.organisation}/{destination.endpoint_id}".lower()
    if isinstance(destination, AutomationRunbook):
        return f"{destination.account}/{destination.runbook}?{destination.run_on}".lower()
    return destination.address.lower()


def _bare(error: Exception) -> str:
    """The message without the address in front: it stands beside it."""
    return re.sub(r"^(?:https://|/subscriptions/)\S*: ", "", str(error))


def _reason(error: Failed | CallError, rights: str) -> str:
    hint = rights if error.hint == PERMISSION_HINT else error.hint
    return f"{_bare(error)}; {hint}" if hint.startswith(("give ", "add ")) else _bare(error)


def _json(found: list[Found]) -> str:
    return json.dumps([asdict(each) for each in found], indent=1) + "\n"


def _readable(found: list[Found]) -> str:
    # Addresses are not masked: a subscription's id is a hidden field in some PAM configurations, and no secret.
    lines = []
    for kind, heading in HEADINGS.items():
        lines += [heading, *(f"  {each.address}  {_verdict(each)}".rstrip() for each in found if each.kind == kind)]
        lines += [] if any(each.kind == kind for each in found) else ["  none found"]
    return "\n".join(lines) + "\n"


def _verdict(found: Found) -> str:
    name = "" if found.name in found.address else found.name
    said = {True: "", False: "not usable: ", None: "cannot be told: "}[found.usable] + found.note
    return ": ".join(filter(None, (name, said)))
