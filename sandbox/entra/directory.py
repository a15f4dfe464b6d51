"""The Entra tenant: applications with their secrets, service principals, users. Entra and Graph both stand on it."""

from __future__ import annotations

import copy
import secrets
import string
import uuid
from dataclasses import dataclass, field
from typing import Any

from sandbox.proxy.clock import Clock, from_iso, iso

DAY = 86400.0
TWO_YEARS = 730 * DAY
SECRET_ALPHABET = string.ascii_letters + string.digits + "~-._"
PERSONAL_AUDIENCES = ("AzureADandPersonalMicrosoftAccount", "PersonalMicrosoftAccount")


def new_id() -> str:
    """A GUID, as every object of a tenant has."""
    return str(uuid.uuid4())


def new_secret() -> str:
    """A secret's text as Azure makes it: 40 characters. One in eight begins with a dash, to catch careless tools."""
    first = "-" if secrets.randbelow(8) == 0 else secrets.choice(SECRET_ALPHABET)
    ends = [secrets.choice(SECRET_ALPHABET) for _ in range(36)]
    return first + "".join(ends[:2]) + "8Q~" + "".join(ends[2:])


@dataclass
class Password:
    """One client secret. ``flaps`` is what the next sign-ins are told before the replicas agree: True is accepted.

    ``odd``: properties that Graph shows otherwise; all may be null by its schema.
    """

    key_id: str
    text: str = field(repr=False)
    display_name: str | None
    start: float
    end: float
    usable_from: float = 0.0
    flaps: list[bool] = field(default_factory=list)
    odd: dict[str, str | None] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        """As Graph lists it: never the text, only its first three characters."""
        return {
            "customKeyIdentifier": None,
            "displayName": self.display_name,
            "endDateTime": iso(self.end),
            "hint": self.text[:3],
            "keyId": self.key_id,
            "secretText": None,
            "startDateTime": iso(self.start),
        } | self.odd


@dataclass
class Policy:
    """An app management policy: what the tenant forbids for the secrets of an application.

    ``created_after``: it is about applications that were made since then. ``disabled``: types of restrictions that it
    lists and does not enforce.
    """

    max_lifetime_days: float | None = None
    passwords_forbidden: bool = False
    id: str = field(default_factory=new_id)
    created_after: float | None = None
    disabled: tuple[str, ...] = ()

    @property
    def is_enabled(self) -> bool:
        """A tenant's own is not, before somebody wants something of it."""
        return self.passwords_forbidden or self.max_lifetime_days is not None or bool(self.disabled)

    def restrictions(self) -> list[dict[str, Any]]:
        """Of client secrets, as Graph shows them."""
        days = self.max_lifetime_days
        lifetimes = {} if days is None else {"passwordLifetime": f"P{int(days)}DT{round(days % 1 * 24)}H"}
        named: dict[str, str | None] = ({"passwordAddition": None} if self.passwords_forbidden else {}) | lifetimes
        return [
            {
                "restrictionType": kind,
                "state": "disabled" if kind in self.disabled else "enabled",
                "maxLifetime": longest,
                "restrictForAppsCreatedAfterDateTime": iso(self.created_after or 0.0),
            }
            for kind, longest in (dict.fromkeys(self.disabled) | named).items()
        ]

    def enforces(self, kind: str, created: str) -> bool:
        """Whether a restriction is enforced on an application that was made then."""
        return kind not in self.disabled and from_iso(created) >= (self.created_after or 0.0)


@dataclass
class Application:
    """An application's registration. ``policy`` None: the tenant's own policy holds."""

    object_id: str
    client_id: str
    properties: dict[str, Any]
    passwords: list[Password] = field(default_factory=list)
    removed: list[tuple[Password, float]] = field(default_factory=list, repr=False)
    owners: list[str] = field(default_factory=list)
    policy: Policy | None = None
    disabled: bool = False
    blocked_by_conditional_access: bool = False
    history: list[tuple[float, dict[str, Any]]] = field(default_factory=list, repr=False)
    stale_reads: int = 0

    @property
    def display_name(self) -> str:
        """The application's name."""
        return str(self.properties["displayName"])

    @property
    def audience(self) -> str:
        """Who may sign in to it (``signInAudience``)."""
        return str(self.properties["signInAudience"])

    def password(self, key_id: str) -> Password | None:
        """The secret with this key id."""
        return next((entry for entry in self.passwords if entry.key_id == key_id), None)

    def shown(self) -> dict[str, Any]:
        """As Graph shows it at this moment, before any replica lag."""
        entity = copy.deepcopy(self.properties)
        entity["passwordCredentials"] = [password.shown() for password in reversed(self.passwords)]
        return entity


@dataclass
class ServicePrincipal:
    """An application's presence in the tenant, which holds its permissions."""

    object_id: str
    client_id: str
    display_name: str
    roles: list[str] = field(default_factory=list)
    enabled: bool = True
    passwords: list[Password] = field(default_factory=list)
    """its own, which sign in as those of the application do"""
    administers: str = ""
    """the directory role by which it may change every application, such as ``Application Administrator``"""

    def shown(self, tenant_id: str) -> dict[str, Any]:
        """As Graph shows it."""
        return {
            "id": self.object_id,
            "deletedDateTime": None,
            "accountEnabled": self.enabled,
            "alternativeNames": [],
            "appDisplayName": self.display_name,
            "appId": self.client_id,
            "appOwnerOrganizationId": tenant_id,
            "appRoleAssignmentRequired": False,
            "displayName": self.display_name,
            "keyCredentials": [],
            "passwordCredentials": [password.shown() for password in self.passwords],
            "servicePrincipalNames": [self.client_id],
            "servicePrincipalType": "Application",
            "signInAudience": "AzureADMyOrg",
            "tags": [],
        }


@dataclass
class User:
    """A person in the tenant."""

    object_id: str
    principal_name: str
    display_name: str

    def shown(self) -> dict[str, Any]:
        """As Graph shows it."""
        unknown = ("givenName", "jobTitle", "mail", "mobilePhone", "officeLocation", "preferredLanguage", "surname")
        return {
            "businessPhones": [],
            "displayName": self.display_name,
            **dict.fromkeys(unknown),
            "userPrincipalName": self.principal_name,
            "id": self.object_id,
        }


class Directory:
    """All objects of the one tenant."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.tenant_id = new_id()
        self.domain = "contoso.onmicrosoft.com"
        self.policy = Policy()
        self.applications: dict[str, Application] = {}
        self.deleted: dict[str, Application] = {}
        self.service_principals: dict[str, ServicePrincipal] = {}
        self.users: dict[str, User] = {}
        self.issued: list[str] = []
        """every secret and token that was ever handed out, so that a test can look for them where they must not be"""

    def new_secret(self) -> str:
        """A secret's text, remembered in ``issued``."""
        text = new_secret()
        self.issued.append(text)
        return text

    def add_user(self, name: str) -> User:
        """Make a person ``name@<domain>``."""
        user = User(new_id(), f"{name}@{self.domain}", name)
        self.users[user.object_id] = user
        return user

    def add_application(self, properties: dict[str, Any]) -> Application:
        """Register an application; only the properties that differ from the defaults are needed."""
        object_id, client_id = new_id(), new_id()
        entity = _blank_application(object_id, client_id, self.domain, iso(self.clock.now())) | properties
        application = Application(object_id, client_id, entity)
        self.applications[object_id] = application
        self.changed(application)
        return application

    def add_service_principal(self, application: Application, roles: list[str] | None = None) -> ServicePrincipal:
        """Make the application known in the tenant, with these application permissions."""
        principal = ServicePrincipal(new_id(), application.client_id, application.display_name, roles or [])
        self.service_principals[principal.object_id] = principal
        return principal

    def by_client_id(self, client_id: str) -> Application | None:
        """The application with this client id."""
        return next((app for app in self.applications.values() if app.client_id == client_id.lower()), None)

    def principal_of(self, client_id: str) -> ServicePrincipal | None:
        """The service principal of the application with this client id."""
        return next((sp for sp in self.service_principals.values() if sp.client_id == client_id.lower()), None)

    def changed(self, application: Application) -> None:
        """Note the application's state, for readers that see an older one."""
        application.history.append((self.clock.now(), application.shown()))


def _blank_application(object_id: str, client_id: str, domain: str, created: str) -> dict[str, Any]:
    nothing = (
        "deletedDateTime", "applicationTemplateId", "disabledByMicrosoftStatus", "description",
        "groupMembershipClaims", "isDeviceOnlyAuthSupported", "isFallbackPublicClient", "notes",
        "serviceManagementReference", "tokenEncryptionKeyId", "defaultRedirectUri", "certification", "optionalClaims",
    )  # fmt: skip
    empty = ("identifierUris", "tags", "addIns", "appRoles", "keyCredentials", "requiredResourceAccess")
    return {
        "id": object_id,
        "appId": client_id,
        "createdDateTime": created,
        "displayName": "",
        "publisherDomain": domain,
        "signInAudience": "AzureADMyOrg",
        **dict.fromkeys(nothing),
        **{name: [] for name in empty},
        "api": {
            "acceptMappedClaims": None, "knownClientApplications": [], "requestedAccessTokenVersion": 2,
            "oauth2PermissionScopes": [], "preAuthorizedApplications": [],
        },
        "info": dict.fromkeys(("logoUrl", "marketingUrl", "privacyStatementUrl", "supportUrl", "termsOfServiceUrl")),
        "parentalControlSettings": {"countriesBlockedForMinors": [], "legalAgeGroupRule": "Allow"},
        "passwordCredentials": [],
        "publicClient": {"redirectUris": []},
        "verifiedPublisher": dict.fromkeys(("displayName", "verifiedPublisherId", "addedDateTime")),
        "web": {
            "homePageUrl": None, "logoutUrl": None, "redirectUris": [],
            "implicitGrantSettings": {"enableAccessTokenIssuance": False, "enableIdTokenIssuance": False},
        },
        "spa": {"redirectUris": []},
    }  # fmt: skip
