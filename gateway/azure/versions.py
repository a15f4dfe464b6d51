"""Every version of an API that is asked for in an address: of whom, until when, and where that is written.

What Microsoft's own clients ask for is theirs. `python -m tests.retirements` names what is about to end.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class ApiVersion:
    """A version of a service's API.

    ``retires``: the day from which it is refused; None where none is announced. ``older``: what is asked for where a
    cloud does not know this one yet.
    """

    service: str
    version: str
    source: str
    retires: date | None = None
    older: str = ""


_LEARN = "https://learn.microsoft.com"
_AUTOMATION = f"{_LEARN}/rest/api/automation"

GRAPH = ApiVersion("Microsoft Graph", "v1.0", f"{_LEARN}/graph/versioning-and-support")
DEVOPS = ApiVersion("Azure DevOps", "7.1", f"{_LEARN}/azure/devops/integrate/concepts/rest-api-versioning")
KEY_VAULT_SECRETS = ApiVersion("Key Vault secrets", "7.4", f"{_LEARN}/rest/api/keyvault/secrets/get-secret")
# With it a new vault goes by roles where nothing else is said; those before it end on 27 February 2027.
KEY_VAULTS = ApiVersion("Microsoft.KeyVault", "2026-02-01", f"{_LEARN}/azure/key-vault/general/migrate-api-version")
SUBSCRIPTIONS = ApiVersion("subscriptions", "2022-12-01", f"{_LEARN}/rest/api/resources/subscriptions/list")
RESOURCES = ApiVersion("resources", "2021-04-01", f"{_LEARN}/rest/api/resources/resources/list")
PERMISSIONS = ApiVersion(
    "Microsoft.Authorization permissions", "2022-04-01", f"{_LEARN}/rest/api/authorization/permissions"
)
# The first that shows which of an account's services admit keys.
STORAGE_ACCOUNTS = ApiVersion(
    "Microsoft.Storage", "2025-08-01", f"{_LEARN}/azure/templates/microsoft.storage/storageaccounts", older="2023-05-01"
)
STORAGE_TABLES = ApiVersion(
    "Azure tables", "2019-02-02", f"{_LEARN}/rest/api/storageservices/versioning-for-the-azure-storage-services"
)
AUTOMATION_ACCOUNTS = ApiVersion("Microsoft.Automation accounts", "2023-11-01", f"{_AUTOMATION}/automation-account")
RUNBOOKS = ApiVersion("Microsoft.Automation runbooks", "2018-06-30", f"{_AUTOMATION}/runbook")
JOBS = ApiVersion("Microsoft.Automation jobs", "2019-06-01", f"{_AUTOMATION}/job")
# Extension-based workers are shown since 2021-06-22; the older version knows the agent-based ones alone.
WORKER_GROUPS = ApiVersion(
    "Microsoft.Automation hybrid worker groups",
    "2023-11-01",
    f"{_AUTOMATION}/hybrid-runbook-worker-group",
    older="2015-10-31",
)
API_CONNECTIONS = ApiVersion("Microsoft.Web connections", "2016-06-01", f"{_LEARN}/rest/api/logic")

ALL = tuple(each for each in list(globals().values()) if isinstance(each, ApiVersion))
