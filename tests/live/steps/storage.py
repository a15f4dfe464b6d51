"""The keys of a storage account, and the versions of its API."""

from __future__ import annotations

from gateway.azure.resources import KEY_SERVICES, key_services
from gateway.azure.versions import STORAGE_ACCOUNTS
from tests.live.answers import Answers
from tests.live.ground import Ground
from tests.live.scripts import command, problem, run_script


def rotate(ground: Ground, answers: Answers) -> None:
    """Both keys of the storage account, in turn."""
    account = ground.given.storage_account
    if not account:
        return answers.skip("S2", "LIVE_STORAGE_ACCOUNT was not given")
    uid = ground.make_record("storage", {"storage_account_id": account, "overlap_hours": "0", "remove_old": "none"})
    for _ in range(2):
        run = run_script(ground, "azure_storage_key", uid)
        proved = str(run.report.get("proved"))
        if not answers.judge("S2", run, f", proved: {proved}"):
            return
    shown = ground.azure().arm.get(account, STORAGE_ACCOUNTS)
    admitting, kind = key_services(shown.get("properties") or {}), str(shown.get("kind"))
    if len(admitting) == len(KEY_SERVICES) and kind != "FileStorage":
        return answers.skip("A1", "all services of this account admit keys")
    item = "A1" if 0 < len(admitting) < len(KEY_SERVICES) else "A2"
    services = ", ".join(admitting) or "no service"
    answers.settle(item, f"{kind}, {services} admits keys: {run}, proved: {proved}")


def list_accounts(ground: Ground, answers: Answers) -> None:
    """What the subscription shows in the newest versions of the API."""
    code, said = command("discover", "storage-accounts", "--json", *ground.sign_in())
    if code:
        return answers.skip("A3", problem(code, said))
    answers.settle("A3", f"in {answers.cloud} they are known to discover storage-accounts")
