"""Keeper as its unmodified SDK meets it."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import requests
from keeper_secrets_manager_core import SecretsManager
from keeper_secrets_manager_core.dto.dtos import RecordCreate, RecordField
from keeper_secrets_manager_core.dto.payload import EncryptedPayload
from keeper_secrets_manager_core.exceptions import KeeperError
from keeper_secrets_manager_core.storage import InMemoryKeyValueStorage

from sandbox import Furnished, Sandbox, Status, rotated_key, throttled
from sandbox.keeper.vault import make_field, new_uid


def test_the_sdk_reads_a_record(ksm: SecretsManager, sandbox: Sandbox, names: Furnished) -> None:
    record = ksm.get_secrets([names.record_uid])[0]
    assert (record.type, record.revision, record.is_editable) == ("pamUser", 1, True)
    assert record.custom_field("client_secret", single=True) == names.old_secrets[-1]
    assert record.folder_uid == sandbox.keeper.vault.default_folder


def test_the_sdk_saves_a_record(ksm: SecretsManager, sandbox: Sandbox, names: Furnished) -> None:
    record = ksm.get_secrets([names.record_uid])[0]
    record.custom_field("client_secret", "a new one")
    record.add_custom_field(field_type="text", label="created", value="today")
    ksm.save(record)
    saved = sandbox.keeper.record(names.record_uid)
    assert (saved.value("client_secret"), saved.value("created"), saved.revision) == ("a new one", "today", 2)
    assert saved.field("client_secret")["type"] == "secret"


def test_all_records_and_only_the_ones_asked_for(ksm: SecretsManager, names: Furnished) -> None:
    uids = {names.record_uid, names.admin_record_uid, names.config_record_uid}
    assert {record.uid for record in ksm.get_secrets()} == uids
    assert ksm.get_secrets(["unknown"]) == []


def test_a_save_with_a_stale_revision_is_refused(ksm: SecretsManager, sandbox: Sandbox, names: Furnished) -> None:
    record = ksm.get_secrets([names.record_uid])[0]
    sandbox.keeper.edit(names.record_uid, "expires", "edited by a colleague")
    record.custom_field("client_secret", "lost")
    with pytest.raises(KeeperError, match="newer revision"):
        ksm.save(record)
    assert sandbox.keeper.record(names.record_uid).value("client_secret") == names.old_secrets[-1]


def test_a_read_only_record_cannot_be_saved(ksm: SecretsManager, sandbox: Sandbox, names: Furnished) -> None:
    sandbox.keeper.set_editable(names.record_uid, False)
    record = ksm.get_secrets([names.record_uid])[0]
    assert record.is_editable is False
    with pytest.raises(KeeperError, match="access_denied"):
        ksm.save(record)


def test_a_tampered_signature_is_refused(
    ksm: SecretsManager, names: Furnished, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = ksm.encrypt_and_sign_payload

    def forged(storage: object, key: object, payload: object) -> EncryptedPayload:
        signed = genuine(storage, key, payload)
        return EncryptedPayload(signed.encrypted_payload + b"x", signed.signature)

    monkeypatch.setattr(ksm, "encrypt_and_sign_payload", forged)
    with pytest.raises(KeeperError):
        ksm.get_secrets([names.record_uid])


def test_another_clients_key_is_refused(sandbox: Sandbox, names: Furnished) -> None:
    other = sandbox.keeper.client_config(sandbox.keeper.add_client())
    config = storage(sandbox.keeper.client_config() | {"privateKey": other["privateKey"]})
    with pytest.raises(KeeperError, match="Signature is invalid"):
        SecretsManager(config=config).get_secrets()


def test_an_application_sees_only_what_is_shared_with_it(sandbox: Sandbox, names: Furnished) -> None:
    client = sandbox.keeper.add_client(folders=[], records=[names.admin_record_uid])
    ksm = SecretsManager(config=storage(sandbox.keeper.client_config(client)))
    assert [record.uid for record in ksm.get_secrets()] == [names.admin_record_uid]


def test_a_record_shared_twice_comes_twice(ksm: SecretsManager, sandbox: Sandbox, names: Furnished) -> None:
    sandbox.keeper.duplicates = True
    assert [record.uid for record in ksm.get_secrets([names.record_uid])] == [names.record_uid] * 2


def test_a_uid_may_begin_with_a_dash(ksm: SecretsManager, sandbox: Sandbox) -> None:
    uid = sandbox.keeper.add_record("dashed", "login", [make_field("login", "x")], uid=new_uid("-"))
    assert uid.startswith("-")
    assert ksm.get_secrets([uid])[0].title == "dashed"


def test_a_record_without_custom_fields(ksm: SecretsManager, sandbox: Sandbox) -> None:
    uid = sandbox.keeper.add_record("bare", custom=None)
    assert "custom" not in ksm.get_secrets([uid])[0].dict


@pytest.mark.parametrize(("rollback", "left"), [(False, "second"), (True, "first")])
def test_a_transaction_is_finished_or_rolled_back(
    ksm: SecretsManager, sandbox: Sandbox, rollback: bool, left: str
) -> None:
    uid = sandbox.keeper.add_record("t", custom=[make_field("text", "first", "value")])
    record = ksm.get_secrets([uid])[0]
    record.custom_field("value", "second")
    ksm.save(record, "rotation")
    ksm.complete_transaction(uid, rollback=rollback)
    assert sandbox.keeper.record(uid).value("value") == left


def test_the_sdk_creates_and_deletes_a_record(ksm: SecretsManager, sandbox: Sandbox, names: Furnished) -> None:
    new = RecordCreate("login", "made by the SDK")
    new.fields = [RecordField(field_type="login", value="me")]
    uid = ksm.create_secret(sandbox.keeper.vault.default_folder, new)
    assert sandbox.keeper.record(uid).value("login") == "me"
    assert ksm.delete_secret([uid])[0]["responseCode"] == "ok"
    assert ksm.get_secrets([uid]) == []


def test_folders_have_names(ksm: SecretsManager, sandbox: Sandbox) -> None:
    assert [folder.name for folder in ksm.get_folders()] == ["Azure Rotation"]


def test_a_new_client_binds_itself_with_a_one_time_token(sandbox: Sandbox, names: Furnished) -> None:
    ksm = SecretsManager(
        token=sandbox.keeper.one_time_token(), hostname="keepersecurity.com", config=InMemoryKeyValueStorage(),
        server_public_key=sandbox.keeper.server_public_key, server_public_key_id="1",
    )  # fmt: skip
    assert ksm.get_secrets([names.record_uid])[0].uid == names.record_uid


def test_throttling_comes_as_403_and_429(
    sandbox: Sandbox, names: Furnished, ksm: SecretsManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("keeper_secrets_manager_core.core.time", SimpleNamespace(sleep=slept.append))
    sandbox.fault("keeper", "get_secret", throttled(429))
    with pytest.raises(KeeperError, match="throttled"):
        ksm.get_secrets()
    sandbox.fault("keeper", "get_secret", throttled(403, retry_after=4))
    assert len(ksm.get_secrets()) == 3  # the SDK waited, give or take a quarter, and tried again
    assert len(slept) == 1 and 3 <= slept[0] <= 5


def test_a_rotated_server_key_makes_the_sdk_try_another(sandbox: Sandbox, ksm: SecretsManager) -> None:
    sandbox.fault("keeper", "get_secret", rotated_key("7"))
    assert ksm.get_secrets() == []
    assert len(sandbox.requests) == 3  # told '7', told '1' for using it, accepted


def test_errors_are_keepers_json(sandbox: Sandbox, ksm: SecretsManager) -> None:
    sandbox.fault("keeper", "get_secret", Status(503))
    with pytest.raises(KeeperError, match="server_error"):
        ksm.get_secrets()
    sandbox.fault("keeper", "get_secret", Status(502, body=b"Bad Gateway"))
    with pytest.raises(requests.HTTPError):
        ksm.get_secrets()


def storage(config: dict[str, str]) -> InMemoryKeyValueStorage:
    return InMemoryKeyValueStorage(json.dumps(config))
