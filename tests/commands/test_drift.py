"""``keeper-rotation status --drift``: where the record, its target and its destinations differ. Nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from gateway.host.background import AT_ONCE
from sandbox.proxy import faults
from tests.commands.test_status import add, day
from tests.stage import certificate, mongodb_user, storage_key
from tests.stage.certificate import CertificateStage
from tests.stage.command import command
from tests.stage.many import ManyStage
from tests.stage.mongodb_user import MongoStage
from tests.stage.rotation import Stage
from tests.stage.storage_key import StorageStage
from tests.sweep.rotation import changes


def drift(stage: Stage, *words: str, code: int = 0) -> dict[str, dict[str, Any]]:
    """What the command says, by uid; it changed nothing."""
    keeper = stage.sandbox.keeper
    before = {uid: (keeper.record(uid).data, keeper.record(uid).revision) for uid in list(keeper.vault.records)}
    stage.sandbox.forget()
    attached = [f"--credential={each}" for each in stage.attached]
    configuration = f"--config={stage.at.config_record_uid}"
    process = command(stage, "status", "--drift", "--json", configuration, *attached, *words)
    assert process.returncode == code, process
    assert not [each for each in stage.sandbox.operations() if changes(each)], "nothing is changed"
    assert before == {uid: (keeper.record(uid).data, keeper.record(uid).revision) for uid in before}
    return {row["record"]: row for row in json.loads(process.stdout)}


def own(stage: Stage, *words: str) -> dict[str, Any]:
    """Of the stage's own record."""
    return drift(stage, *words)[stage.at.record_uid]


@pytest.fixture
def served(make_stage: Callable[..., Stage]) -> Stage:
    """An app's secret that is rotated at every run, in a key vault, too."""
    stage = make_stage(old_secrets=0, settings={"remove_old": "replaced"})
    made = stage.deliver("secret_address")
    assert stage.run().code == 0 and made
    return stage


def test_where_all_show_the_same_there_is_none(served: Stage) -> None:
    row = own(served)
    assert (row["drift"], row["state"], row["trouble"]) == ([], "ok", [])
    assert own(served, served.stored()["title"])["drift"] == []


def test_without_the_option_it_is_not_known(served: Stage) -> None:
    (row,) = json.loads(command(served, "status", "--json", served.at.record_uid).stdout)
    assert row["drift"] is None


def _value_of_others(stage: Stage) -> None:
    assert stage.destinations
    vault = stage.destinations.vault
    stage.sandbox.keyvault.set_secret(vault, stage.destinations.secret_name, "theirs")


def _gone(stage: Stage) -> None:
    for password in list(stage.sandbox.graph.passwords(stage.at.target_object_id)):
        stage.sandbox.graph.remove(stage.at.target_object_id, password.key_id)


def _other_date(stage: Stage) -> None:
    stage.sandbox.keeper.edit(stage.at.record_uid, "expires", day(900))


def _other_value(stage: Stage) -> None:
    stage.sandbox.keeper.edit(stage.at.record_uid, "client_secret", "not-what-azure-knows")


DRIFTED: dict[str, tuple[Callable[[Stage], None], str]] = {
    "a destination was written to by others": (_value_of_others, "shows another value"),
    "the secret was removed by hand": (_gone, "its target no longer has what the record publishes"),
    "the record says another date": (_other_date, "and the record says"),
    "the record has another value": (_other_value, "with another value"),
}


@pytest.mark.parametrize("name", DRIFTED)
def test_it_is_seen_that(name: str, served: Stage) -> None:
    served.sandbox.clock.advance(7200.0)
    happen, words = DRIFTED[name]
    happen(served)
    row = own(served)
    assert [each for each in row["drift"] if words in each] and len(row["drift"]) == 1, row
    assert row["state"] == "trouble" and f"drift: {row['drift'][0]}" in row["trouble"]
    assert drift(served, "--only=trouble", "--fail-within=0", code=1).keys() == {served.at.record_uid}


def test_what_others_made_is_named(served: Stage) -> None:
    served.sandbox.graph.add_password(served.at.target_object_id)
    row = own(served)
    assert row["drift"] == [] and "by hand" in "; ".join(row["notes"]) and row["state"] == "note"


def test_what_cannot_be_compared_is_trouble_and_no_drift(served: Stage) -> None:
    served.sandbox.fault("graph", "get_application", faults.Status(403), times=None)
    row = own(served)
    assert row["drift"] is None and "could not be compared: " in "; ".join(row["trouble"])


def test_what_was_never_rotated_or_is_off_is_not_compared(stage: Stage) -> None:
    stage.sandbox.keeper.edit(stage.at.record_uid, "client_secret_id", "pending-first-rotation")
    add(stage, "off", application_object_id="x", rotation_enabled="False")
    add(stage, "TLS", "login", tls_secret_id="https://shop.vault.azure.net/secrets/web")
    found = {row["title"]: row for row in drift(stage).values()}
    assert "never rotated" in "; ".join(found[stage.stored()["title"]]["notes"])
    assert found["off"]["drift"] is found["TLS"]["drift"] is None


KINDS: dict[str, tuple[Callable[[], Any], Path]] = {
    "storage": (StorageStage, storage_key.SCRIPT),
    "mongodb": (MongoStage, mongodb_user.SCRIPT),
    "cert": (lambda: CertificateStage(issuer="contoso-ca"), certificate.SCRIPT),
}


@pytest.mark.parametrize("kind", KINDS)
def test_other_kinds_agree_after_a_rotation(kind: str) -> None:
    make, script = KINDS[kind]
    with ExitStack() as stack:
        stage = stack.enter_context(make())
        assert stage.finish(stage.start(stage.line(dueNow=True), script)).code == 0
        row = own(stage)
        assert (row["kind"], row["drift"], row["state"]) == (kind, [], "ok"), row


def test_many_are_compared_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with ManyStage(apps=20) as many:
        assert many.due().code == 0
        exchange, under_way, most = many.sandbox.server.exchange, [""], [0]

        def counted(*given: Any) -> bool:
            under_way.append("")
            most[0] = max(most[0], len(under_way) - 1)
            try:
                return exchange(*given)
            finally:
                under_way.pop()

        many.sandbox.latency = 0.05
        monkeypatch.setattr(many.sandbox.server, "exchange", counted)
        found = drift(many)
        assert [uid for uid in many.apps if found[uid]["drift"] == []] == list(many.apps)
        # One that has its answer may ask again before the sandbox has put the last exchange away.
        assert 2 <= most[0] <= AT_ONCE + 2


def test_it_says_how_far_it_is(served: Stage) -> None:
    served.sandbox.latency = 0.5
    served.variables |= {"ROTATION_REQUEST_TIMEOUT_SECONDS": "20", "ROTATION_DEADLINE_SECONDS": "60"}
    attached = [f"--credential={each}" for each in served.attached]
    process = command(served, "status", "--drift", *attached, f"--config={served.at.config_record_uid}")
    assert "compared 0 of 1 records" in process.stderr


def test_a_page_says_whether_azure_was_asked(served: Stage, tmp_path: Path) -> None:
    attached = [f"--credential={each}" for each in served.attached]
    for words, said in (((), "Azure was not asked"), (("--drift", *attached), "compared with targets")):
        page = tmp_path / "status.html"
        assert command(served, "status", f"--html={page}", "--force", *words).returncode == 0
        assert said in page.read_text()


def test_options_that_go_with_it(stage: Stage) -> None:
    process = command(stage, "status", f"--credential={stage.at.record_uid}")
    assert process.returncode == 1 and "--drift" in process.stderr
