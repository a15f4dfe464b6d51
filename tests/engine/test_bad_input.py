"""Bad input: each row is refused with a message that says what to do, exit 1, and nothing is touched."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.stage.forked import Forked
from tests.stage.host_clock import wrong_clock
from tests.stage.rotation import ROOT, Outcome, Stage, encoded
from tests.sweep.rotation import changes

WRITES = {"update_secret", "add_password", "remove_password", "update_application"}


def refused(stage: Stage, line: bytes | None = None, **variables: str) -> tuple[str, str]:
    """Run; exit 1, no write, no change, no leak. The error and the hint."""
    before = (stage.sandbox.keeper.record(stage.at.record_uid).data, stage.live())
    outcome = stage.run(line, **variables)
    assert (outcome.code, outcome.result) == (1, "failed"), outcome
    assert not WRITES & {request.operation for request in stage.sandbox.requests}
    assert (stage.sandbox.keeper.record(stage.at.record_uid).data, stage.live()) == before
    assert not stage.leaks([outcome])
    assert outcome.report["error"] and outcome.report["hint"]
    for key in ("error", "hint"):  # several errors are several lines, each with its hint
        told = re.findall(rf"^{key}: (.*)$", outcome.stderr, re.MULTILINE)
        assert "; ".join(dict.fromkeys(told)) == outcome.report[key]
    if line is None and not variables:
        foreseen(stage, outcome)
    return outcome.report["error"], outcome.report["hint"]


def test_each_line_that_is_wrong_is_told_with_its_own_hint(stage: Stage) -> None:
    lines = ("https://orders-vault.vault.azure.net/secrets/orders_api", "hello", "keeper:abc")
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", "\n".join(lines))
    said = [line.partition(": ")[::2] for line in stage.run().stderr.splitlines()]
    assert [name for name, _ in said] == ["error", "hint"] * 3
    for line, (_, error), (_, hint) in zip(("orders_api", *lines[1:]), said[::2], said[1::2], strict=True):
        assert repr(line) in error and "the form" in hint


def foreseen(stage: Stage, outcome: Outcome) -> None:
    """`keeper-rotation check` says the same beforehand, and asks only."""
    stage.sandbox.forget()
    attached = [f"--attach={uid}" for uid in stage.attached]
    arguments = ("check", "--json", f"--config={stage.at.config_record_uid}", *attached, "--", stage.at.record_uid)
    process = Forked(("-m", "gateway", *arguments), stage.variables, b"", stage.streams, stage.home)
    checked = stage.outcome_of(process)
    assert not [each for each in stage.sandbox.operations() if changes(each)]
    assert checked.stdout, checked.stderr
    (row,) = json.loads(checked.stdout)
    found = {(each["what"], each["hint"]) for each in row["findings"] if each["level"] != "warning"}
    errors, hints = zip(*found, strict=True)
    for said, wanted in ((errors, outcome.report["error"]), (hints, outcome.report["hint"])):
        assert all(part in _lasting("; ".join(said)) for part in _lasting(wanted).split("; ")), (row, wanted)
    assert checked.code == row["exit_code"] in (1, 2)
    assert not stage.leaks([checked])


def _lasting(text: str) -> str:
    """Without the numbers: some are a time that goes on."""
    return re.sub(r"\d+", "#", text)


STDIN = {
    "empty": (b"", "stdin: empty"),
    "blank line": (b" \r\n", "stdin: empty"),
    "not base64": (b"{hello}\n", "not base64"),
    "not JSON": (base64.b64encode(b"hello") + b"\n", "not JSON"),
    "an array": (encoded([1]), "a JSON object is expected"),
    "10 MB": (b"A" * 10_000_000, "more than 5000000 bytes"),
    "no record uid": (encoded({"records": ""}), "'userRecordUid' is missing"),
    "record uid is a number": (encoded({"userRecordUid": 7}), "'userRecordUid' is not a text"),
    "record uid with a slash": (encoded({"userRecordUid": "../../etc"}), "is not a record uid"),
    "records is a number": (encoded({"userRecordUid": "abc", "records": 7}), "'records' is not a base64 text"),
    "records is not base64": (encoded({"userRecordUid": "abc", "records": "[]"}), "'records': not base64"),
    "records is an object": (
        encoded({"userRecordUid": "abc", "records": encoded({}).decode()}),
        "a JSON array is expected",
    ),
    "a record is a text": (
        encoded({"userRecordUid": "abc", "records": encoded(["x"]).decode()}),
        "record 1 of 'records' is not a JSON object",
    ),
}


@pytest.mark.parametrize("name", STDIN)
def test_stdin_that_is(name: str, stage: Stage) -> None:
    line, message = STDIN[name]
    error, hint = refused(stage, line)
    assert message in error
    assert "keeper-rotation run" in hint
    assert not stage.sandbox.requests


def test_stdin_cut_short(stage: Stage) -> None:
    line = stage.line()
    for length in (len(line) // 2, len(line) // 2 + 1, len(line) - 7):
        assert "cut short" in refused(stage, line[:length])[0]


def test_unknown_record(stage: Stage) -> None:
    error, hint = refused(stage, stage.line(userRecordUid="AAAAAAAAAAAAAAAAAAAAAA"))
    assert "cannot be read" in error and "share its folder" in hint


def test_record_that_is_not_a_pam_user(stage: Stage) -> None:
    error, hint = refused(stage, stage.line(userRecordUid=stage.at.admin_record_uid))
    assert "not PAM User" in error and "convert it" in hint


def test_read_only_record(make_stage: Callable[..., Stage]) -> None:
    error, hint = refused(make_stage(editable=False))
    assert "read-only" in error and "right to edit" in hint


def test_no_admin_credential(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(attach_admin=False)
    params = stage.params(providerRecordUid=None)
    params["records"] = encoded([stage.flat(stage.at.record_uid)]).decode()
    error, hint = refused(stage, encoded(params))
    assert "no attached record has one" in error and "application_client_id" in hint


@pytest.mark.parametrize("missing", ["application_client_id", "client_secret", "tenant_id"])
def test_half_an_attached_admin_credential(missing: str, stage: Stage) -> None:
    admin = stage.flat(stage.at.admin_record_uid)
    params = stage.params(records=encoded([admin | {missing: ""}, stage.flat(stage.at.record_uid)]).decode())
    error, _ = refused(stage, encoded(params))
    assert stage.at.admin_record_uid in error and error.endswith(f"without {missing}")


def test_half_a_configuration(stage: Stage) -> None:
    config = stage.flat(stage.at.config_record_uid) | {"tenantId": "", "clientId": ""}
    params = stage.params(records=encoded([config]).decode())
    assert refused(stage, encoded(params))[0].endswith("without clientId, tenantId")


def admin(stage: Stage, **changes: str) -> bytes:
    """A line whose attached admin record is changed."""
    changed = stage.flat(stage.at.admin_record_uid) | changes
    return encoded(stage.params(records=encoded([changed, stage.flat(stage.at.record_uid)]).decode()))


def test_wrong_admin_secret(stage: Stage) -> None:
    error, hint = refused(stage, admin(stage, client_secret="not-the-right-secret"))
    assert "AADSTS7000215" in error and "Value of the secret, not its Secret ID" in hint


def test_secret_id_instead_of_the_secret(stage: Stage) -> None:
    assert "Secret ID" in refused(stage, admin(stage, client_secret=stage.at.admin_key_id))[1]


def test_expired_admin_secret(stage: Stage) -> None:
    password = stage.sandbox.directory.applications[stage.at.admin_object_id].password(stage.at.admin_key_id)
    assert password
    password.end = stage.sandbox.clock.now() - 60
    error, hint = refused(stage)
    assert "AADSTS7000222" in error and "expired" in hint


def test_wrong_tenant(stage: Stage) -> None:
    error, hint = refused(stage, admin(stage, tenant_id="11111111-1111-1111-1111-111111111111"))
    assert "AADSTS90002" in error and "check tenant_id" in hint


def test_unknown_admin_application(stage: Stage) -> None:
    line = admin(stage, application_client_id="11111111-1111-1111-1111-111111111111")
    assert "AADSTS700016" in refused(stage, line)[0]


def test_admin_without_permission(make_stage: Callable[..., Stage]) -> None:
    error, hint = refused(make_stage(admin_roles=[]))
    assert "Authorization_RequestDenied" in error and "OwnedBy" in hint


def test_admin_that_does_not_own_the_app(make_stage: Callable[..., Stage]) -> None:
    assert "owner of the app" in refused(make_stage(owned=False))[1]


TARGETS = {
    "no such app": ("11111111-1111-1111-1111-111111111111", "no application 11111111"),
    "the template's placeholder": ("00000000-0000-0000-0000-000000000000", "still the template's placeholder"),
    "a name": ("orders-api", "is not an id"),
    "empty": ("", "has no application_object_id"),
}


@pytest.mark.parametrize("name", TARGETS)
def test_target_that_is(name: str, stage: Stage) -> None:
    given, message = TARGETS[name]
    stage.sandbox.keeper.edit(stage.at.record_uid, "application_object_id", given)
    assert message in refused(stage)[0]


def test_app_that_was_deleted_is_named_as_the_record_does(stage: Stage) -> None:
    stage.sandbox.keeper.edit(stage.at.record_uid, "application_object_id", stage.at.target_client_id)
    assert stage.run().code == 0
    del stage.sandbox.directory.applications[stage.at.target_object_id]
    outcome = stage.run()
    assert outcome.code == 1 and outcome.report["hint"], outcome
    assert stage.at.target_client_id in outcome.report["error"]
    assert f"no application {stage.at.target_object_id}" in outcome.report["error"]


POLICIES: dict[str, tuple[dict[str, str], list[str]]] = {
    "hours that are no number": ({"rotate_before_hours": "abc"}, ["rotate_before_hours: 'abc' is not a number"]),
    "infinite hours": ({"overlap_hours": "inf"}, ["overlap_hours: 'inf' is not a number"]),
    "negative overlap": ({"overlap_hours": "-1"}, ["overlap_hours: '-1' is not a number"]),
    "no days": ({"secret_lifetime_days": "0"}, ["secret_lifetime_days: '0' is not a number"]),
    "overlap longer than the lifetime": (
        {"secret_lifetime_days": "1", "overlap_hours": "24"},
        ["overlap_hours: must be shorter than secret_lifetime_days"],
    ),
    "threshold longer than the lifetime": (
        {"secret_lifetime_days": "1", "rotate_before_hours": "25"},
        ["rotate_before_hours: must be shorter"],
    ),
    "unknown choices, all named at once": (
        {"remove_old": "some", "azure_cloud": "AzureMoon", "rotation_enabled": "maybe"},
        ["remove_old: 'some' is none of all, replaced, none", "azure_cloud: 'AzureMoon'", "rotation_enabled: 'maybe'"],
    ),
}


@pytest.mark.parametrize("name", POLICIES)
def test_policy_with(name: str, make_stage: Callable[..., Stage]) -> None:
    settings, messages = POLICIES[name]
    error, _ = refused(make_stage(settings=settings))
    for message in messages:
        assert message in error


@pytest.mark.parametrize("label", ["Remove_Old", "remove old", "removeold", "Overlap-Hours"])
def test_label_that_is_nearly_right(label: str, stage: Stage) -> None:
    stage.sandbox.keeper.edit(stage.at.record_uid, label, "replaced")
    error, hint = refused(stage)
    assert label in error and "matched exactly" in hint


def copy_of_the_admin_secret(stage: Stage, label: str = "its copy") -> str:
    """The uid of another record that holds it."""
    copy = {"type": "secret", "label": label, "value": [stage.at.admin_secret]}
    remark = {"type": "secret", "label": "remark", "value": ["hello"]}
    return stage.sandbox.keeper.add_record("another", "login", [], [copy, remark])


def fed(stage: Stage, *addresses: str) -> None:
    """What the record delivers to, besides the PAM configuration that the admin credential comes from."""
    lines = [f"keeper:{stage.at.config_record_uid}#clientSecret", *addresses]
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", "\n".join(lines))


# The copies of its own secret that an app would leave dead, by what the record says; the field that is named.
LEFT_DEAD: dict[str, Callable[[Stage], str]] = {
    "no line for the place that it came from": lambda stage: f"{stage.at.config_record_uid}#clientSecret",
    "nothing is to be removed": lambda stage: (
        stage.sandbox.keeper.edit(stage.at.record_uid, "remove_old", "none")
        or f"{stage.at.config_record_uid}#clientSecret"
    ),
    "an optional line": lambda stage: (
        stage.sandbox.keeper.edit(
            stage.at.record_uid, "deliver_to", f"optional keeper:{stage.at.config_record_uid}#clientSecret"
        )
        or f"{stage.at.config_record_uid}#clientSecret"
    ),
    "a line for a field that does not hold it": lambda stage: (
        stage.sandbox.keeper.edit(
            stage.at.record_uid, "deliver_to", f"keeper:{stage.at.config_record_uid}#subscriptionId"
        )
        or f"{stage.at.config_record_uid}#clientSecret"
    ),
    "a copy in another record": lambda stage: fed(stage) or f"{copy_of_the_admin_secret(stage)}#its copy",
    "a copy, and a line for another field of its record": lambda stage: (
        fed(stage, f"keeper:{(uid := copy_of_the_admin_secret(stage))}#remark") or f"{uid}#its copy"
    ),
}


@pytest.mark.parametrize("what", LEFT_DEAD)
def test_app_that_rotates_itself_and_leaves_a_dead_copy(what: str, make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(self_rotation=True, attach_admin=False)
    named = LEFT_DEAD[what](stage)
    error, hint = refused(stage)
    assert f"the app would rotate its own secret, and leave a dead one in {named}" in error, error
    assert f"keeper:{named}" in hint and "deliver_to" in hint


def test_app_that_rotates_itself_where_the_place_that_it_came_from_cannot_be_read(
    make_stage: Callable[..., Stage],
) -> None:
    stage = make_stage(self_rotation=True, attach_admin=False)
    fed(stage)
    elsewhere = {"uid": "E" * 22, "title": "elsewhere", "application_client_id": stage.at.admin_client_id}
    credential = elsewhere | {"client_secret": stage.at.admin_secret, "tenant_id": stage.at.tenant_id}
    records = [credential, stage.flat(stage.at.record_uid)]
    error, hint = refused(stage, encoded(stage.params(records=encoded(records).decode())))
    assert "E" * 22 in error and "share its folder" in hint


@pytest.mark.parametrize("name", ["ROTATION_DEADLINE_SECONDS", "ROTATION_PROVE_SUCCESSES"])
def test_setting_that_is_no_number(name: str, stage: Stage) -> None:
    error, hint = refused(stage, **{name: "soon"})
    assert name in error and "environment variables" in hint


def test_setting_that_is_no_whole_number(stage: Stage) -> None:
    error, _ = refused(stage, ROTATION_PROVE_SUCCESSES="2.5")
    assert "ROTATION_PROVE_SUCCESSES='2.5' is not a whole number of at least 1" in error


def test_settings_that_contradict_each_other(stage: Stage) -> None:
    error, _ = refused(stage, ROTATION_PROVE_TIMEOUT_SECONDS="1", ROTATION_PROVE_INTERVAL_SECONDS="2")
    assert "too short" in error


def test_certificate_authorities_that_are_not_there(stage: Stage) -> None:
    assert "REQUESTS_CA_BUNDLE" in refused(stage, REQUESTS_CA_BUNDLE="/nonexistent/ca.pem")[1]


def test_lock_directory_that_cannot_be_made(stage: Stage) -> None:
    (stage.home / "file").write_text("")
    error, hint = refused(stage, ROTATION_LOCK_DIR=str(stage.home / "file" / "locks"))
    assert "lock directory" in error and "ROTATION_LOCK_DIR" in hint


CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "missing file": ({"KSM_CONFIG_FILE": "/nonexistent/config.json"}, "cannot read /nonexistent/config.json"),
    "neither JSON nor base64": ({"KSM_CONFIG": "hello"}, "neither JSON nor JSON in base64"),
    "never bound": ({"KSM_CONFIG": json.dumps({"hostname": "keepersecurity.com"})}, "without clientId, privateKey"),
    "for a server that is none": ({"KSM_HOSTNAME": "[x"}, "KSM_HOSTNAME='[x' is no name of a server"),
    "for a server without a name": ({"KSM_HOSTNAME": "https://"}, "KSM_HOSTNAME='https://' is no name of a server"),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_keeper_configuration_that_is(name: str, stage: Stage) -> None:
    variables, message = CONFIGS[name]
    before = configurations(stage)
    assert message in refused(stage, **variables)[0]
    assert configurations(stage) == before, "a configuration is never created or deleted"


def configurations(stage: Stage) -> list[Path]:
    """All files that could be one."""
    return [path for path in sorted(stage.folder.rglob("*")) if not {"locks", "streams"} & {*path.parts}]


# Clocks. Minutes by which those of the services are fast, by name; what is said of them.
CLOCKS: dict[str, tuple[dict[str, int], str, str]] = {
    "one is right by the others": ({"keeper": 4, "graph": -1}, "", ""),
    "the vault's is wrong, as two others agree": ({"keeper": 7}, "", "the clock of keepersecurity.com"),
    "that of the sign-in is wrong": ({"entra": 60}, "", "the clock of login.microsoftonline.com"),
    "that of the service which holds the secrets is wrong": ({"graph": 6}, "graph.microsoft.com", ""),
    "none agrees with another": ({"graph": 60, "entra": -60}, "clocks", ""),
    "it is in another century": ({"graph": 52_560_000}, "graph.microsoft.com", ""),
}


@pytest.mark.parametrize("what", CLOCKS)
def test_clocks_of_which(what: str, stage: Stage) -> None:
    minutes, error, warning = CLOCKS[what]
    for service, fast in minutes.items():
        getattr(stage.sandbox, service).clock.advance(fast * 60)
    if error:
        said, hint = refused(stage)
        assert error in said and "differ" in said and "run it again" in hint
        return
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert [warning in each for each in outcome.report["warnings"]] == ([True] if warning else [])


def test_two_clocks_of_which_nobody_knows_the_right_one(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(attach_admin=False, config_has_secret=False)
    stage.sandbox.identity.client_id = stage.at.admin_client_id
    stage.sandbox.keeper.clock.advance(6 * 60)
    error, _ = refused(stage, NO_PROXY="127.0.0.1", **stage.sandbox.identity_env())
    assert "keepersecurity.com" in error and "graph.microsoft.com" in error and "6 minutes" in error


@pytest.mark.parametrize("minutes", [-600, -4, 4, 600])
def test_a_host_whose_clock_is_wrong(minutes: int, stage: Stage, tmp_path: Path) -> None:
    outcome = stage.run(PYTHONPATH=wrong_clock(tmp_path / "site", minutes * 60))
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    warned = ["this host" in each and "600 minutes" in each for each in outcome.report["warnings"]]
    assert warned == [True] * (abs(minutes) > 5)
    assert abs(datetime.fromisoformat(stage.value("last_rotated")).timestamp() - stage.sandbox.clock.now()) < 60


# What Azure refuses only when asked to make the secret: nothing is there afterwards either.


def refused_at_mint(stage: Stage) -> tuple[str, str]:
    """As `refused`, when the mint itself is what is refused."""
    before = (stage.sandbox.keeper.record(stage.at.record_uid).data, stage.live())
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (1, "failed"), outcome
    assert (stage.sandbox.keeper.record(stage.at.record_uid).data, stage.live()) == before
    return outcome.report["error"], outcome.report["hint"]


def test_lifetime_over_the_tenants_policy(stage: Stage) -> None:
    stage.sandbox.directory.policy.max_lifetime_days = 90
    error, hint = refused_at_mint(stage)
    assert "CredentialInvalidLifetimeAsPerAppPolicy" in error and "secret_lifetime_days" in hint


def test_secrets_forbidden_by_the_tenants_policy(stage: Stage) -> None:
    stage.sandbox.directory.policy.passwords_forbidden = True
    error, hint = refused_at_mint(stage)
    assert "CredentialTypeNotAllowedAsPerAppPolicy" in error and "federation" in hint


def test_app_is_full_and_nothing_may_go(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(
        old_secrets=1, foreign=1, audience="AzureADandPersonalMicrosoftAccount", settings={"remove_old": "replaced"}
    )
    error, hint = refused_at_mint(stage)
    assert all(key_id in error for key_id in stage.live())
    assert "it will work again from" in hint


# What looks odd and is accepted.

ODD: dict[str, Callable[[bytes], bytes]] = {
    "a byte order mark": lambda line: b"\xef\xbb\xbf" + line,
    "CRLF": lambda line: line.rstrip(b"\n") + b"\r\n",
    "UTF-16 of PowerShell": lambda line: line.decode().encode("utf-16"),
    "UTF-16 of the other order": lambda line: b"\xfe\xff" + line.decode().encode("utf-16-be"),
    "no end of the line": lambda line: line.rstrip(b"\n"),
    "a second line, which is not for it": lambda line: line + b"{}\n",
    "wrapped, as MIME does": lambda line: b"\n".join(line[at : at + 76] for at in range(0, len(line), 76)),
    "after empty lines": lambda line: b"\n\r\n" + line,
    "after an empty line, in UTF-16": lambda line: ("\n" + line.decode()).encode("utf-16"),
    "a second line in UTF-16": lambda line: (line.decode() + "{}\r\n").encode("utf-16"),
}


@pytest.mark.parametrize("name", ODD)
def test_accepted_stdin_with(name: str, stage: Stage) -> None:
    assert stage.run(ODD[name](stage.line())).code == 0
    assert stage.published_works()


def test_accepted_records_with_numbered_duplicate_keys(stage: Stage) -> None:
    admin_record = stage.flat(stage.at.admin_record_uid)
    numbered = {f"{key}2" if key == "client_secret" else key: value for key, value in admin_record.items()}
    records = [numbered | {"text": "a", "text2": "b", "text_3": ["c"], "host": {"x": 1}}, {"uid": None}]
    assert stage.run(encoded(stage.params(records=encoded(records).decode()))).code == 0
    assert stage.published_works()


@pytest.mark.parametrize(
    "script", ["azure_storage_key", "mongodb_user", "azure_key_vault_certificate", "publish_password"]
)
def test_the_script_of_another_kind_names_the_right_one(script: str, stage: Stage) -> None:
    outcome = stage.run(script=ROOT / "scripts" / f"{script}.py")
    assert outcome.code == 1 and f"scripts/{script}.py is not the script for it" in outcome.report["error"], outcome
    assert outcome.report["hint"] == "attach scripts/azure_app_secret.py to it instead"
    assert {request.operation for request in stage.sandbox.requests} == {"get_secret"}
