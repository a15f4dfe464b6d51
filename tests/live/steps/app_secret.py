"""A client secret: made, replaced, delivered."""

from __future__ import annotations

from tests.live.answers import Answers
from tests.live.ground import Ground
from tests.live.scripts import Run, command, run_script

SCRIPT = "azure_app_secret"
# Which item a line of deliver_to is of.
PLACES = {"/_settings/adminservices": "D1", "/runbooks/": "D3", "Microsoft.Web/connections": "D4"}
_FEWEST = 7  # connections of a run that opens none twice


def rotate(ground: Ground, answers: Answers) -> None:
    """The first client secret of a record, another one, and deliveries."""
    wishes = {"secret_lifetime_days": "30", "remove_old": "replaced", "overlap_hours": "0"}
    uid = ground.make_record("app", {"application_object_id": ground.given.app} | wishes)
    first = run_script(ground, SCRIPT, uid)
    if not answers.judge("S1", first):
        return
    second = run_script(ground, SCRIPT, uid)
    removed = len(second.report.get("removed") or [])
    answers.judge("S1", second, f", removed {removed}", ok=removed == 1)
    _count(second, answers)
    if ground.given.key_vault:
        _to_key_vault(ground, answers, uid)
    for line in ground.given.deliver_to:
        _deliver(ground, answers, uid, line)


def _count(run: Run, answers: Answers) -> None:
    if not run.connections:
        return answers.skip("E6", "this system does not show which connections a process has")
    answers.facts["connections of a run"] = run.connections
    answers.settle("E6", f"at least {run.connections} connections in a run; {_FEWEST} if none is opened twice")


def _deliver(ground: Ground, answers: Answers, uid: str, line: str) -> None:
    item = next((item for part, item in PLACES.items() if part.lower() in line.lower()), "S1")
    ground.set(uid, "deliver_to", line)
    run = run_script(ground, SCRIPT, uid)
    answers.judge(item, run, f", delivered: {len(run.report.get('delivered') or [])}")


def _to_key_vault(ground: Ground, answers: Answers, uid: str) -> None:
    """A4: what the vault says of a version that is disabled, and of a deleted secret."""
    name = ground.name("app")
    ground.set(uid, "deliver_to", f"{ground.vault_url}/secrets/{name}")
    run = run_script(ground, SCRIPT, uid)
    if not answers.judge("A4", run, ", a new secret"):
        return
    calls = ground.key_vault()
    client = calls.secrets()
    calls.retrying(lambda: client.update_secret_properties(name, enabled=False))
    answers.settle("A4", f"disabled: {_checked(ground, uid)}")
    calls.retrying(lambda: client.begin_delete_secret(name).wait())
    answers.settle("A4", f"deleted: {_checked(ground, uid)}")
    ground.set(uid, "deliver_to", "")


def _checked(ground: Ground, uid: str) -> str:
    code, said = command("check", f"--credential={ground.admin_uid}", *_config(ground), "--", uid)
    problems = [line.strip() for line in said.splitlines() if line.strip().startswith("x")]
    return f"check exits {code}" + (f", {' / '.join(problems)[:300]}" if problems else "")


def _config(ground: Ground) -> list[str]:
    return [f"--config={ground.given.config}"] if ground.given.config else []
