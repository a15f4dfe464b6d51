"""Files of records and new records, through the unmodified SDK: what breaks, and what is left behind."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from keeper_secrets_manager_core import SecretsManager
from keeper_secrets_manager_core.dto.dtos import KeeperFileUpload
from keeper_secrets_manager_core.exceptions import KeeperError
from keeper_secrets_manager_core.storage import InMemoryKeyValueStorage

from gateway.errors import CallError, Failed, NotSent, Refused, Unclear
from gateway.host.deadline import Deadline
from gateway.host.http import Http
from gateway.keeper.files import Files, HalfAttached
from gateway.keeper.folders import UIDS, Folders, record_uid
from gateway.keeper.record import Attachment, VaultRecord
from gateway.keeper.vault import Vault
from sandbox.proxy import faults
from tests.stage.rotation import Stage

CONTENT = b"-----BEGIN PRIVATE KEY-----\r\ncanary-of-the-file\x00\xff--\r\n--x\r\n" * 40
CANARY = "canary-of-the-file"
SECRET_TEXTS = [CANARY, "X-Amz", "x-amz", "amazonaws"]
MIME = "application/x-pkcs12"


class Desk:
    """A vault as a script has it, in this process, and the record it works on."""

    def __init__(self, stage: Stage, seconds: float = 6.0, **config: str | None) -> None:
        self.stage = stage
        self.keeper = stage.sandbox.keeper
        self.uid = stage.at.record_uid
        whole: dict[str, str | None] = {**self.keeper.client_config(), **config}
        text = json.dumps({name: value for name, value in whole.items() if value is not None})
        self.http = Http(0.7, Deadline(seconds, 0.02))
        self.vault = Vault(text, self.http)
        self.files = Files(self.vault.keeper, self.vault.read)
        self.folders = Folders(self.vault.keeper, self.vault.read)
        self.sdk = SecretsManager(config=InMemoryKeyValueStorage(text))

    def read(self) -> VaultRecord:
        """The record now."""
        return self.vault.read([self.uid])[self.uid]

    def attach(self, name: str = "new.pfx", content: bytes = CONTENT) -> VaultRecord:
        """Attach to the record as it is now."""
        return self.files.attach(self.read(), name, content, MIME)

    def refused(self) -> CallError:
        """The error with which attaching ends."""
        with pytest.raises(CallError) as caught:
            self.attach()
        error = caught.value
        assert not [text for text in SECRET_TEXTS if text in f"{error} {error.hint} {error!r}"]
        return error

    def count(self, operation: str) -> int:
        """How often something was asked for."""
        return self.stage.sandbox.operations().count(operation)


@pytest.fixture
def desk(stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[Desk]:
    """The desk; afterwards, nothing that was logged holds a secret, and the sandbox made no mistake of its own."""
    caplog.set_level(logging.DEBUG, "gateway")
    for name in ("HTTPS_PROXY", "REQUESTS_CA_BUNDLE", "NO_PROXY"):
        monkeypatch.setenv(name, stage.variables[name])
    made = Desk(stage)
    yield made
    shown = [*SECRET_TEXTS, *stage.canaries()]
    assert not [text for text in shown if text in caplog.text]
    assert not stage.sandbox.errors


def only(record: VaultRecord) -> Attachment:
    """The one file of a record."""
    (attachment,) = record.attachments()
    return attachment


# Attaching


@pytest.mark.parametrize("content", [CONTENT, b"", b"\r\n" * 3, bytes(range(256)) * 4000], ids=len)
def test_what_is_attached_is_downloaded_again(content: bytes, desk: Desk) -> None:
    fresh = desk.attach(content=content)
    assert desk.files.download(fresh, only(fresh).uid) == content
    assert desk.keeper.files(desk.uid) == {"new.pfx": content}
    attachment = only(fresh)
    assert (attachment.name, attachment.title, attachment.mime) == ("new.pfx", "new.pfx", MIME)
    assert attachment.size == len(content)
    assert fresh.revision == 2


def test_the_storage_host_sees_only_ciphertext(desk: Desk) -> None:
    desk.attach()
    (file,) = desk.keeper.vault.files.values()
    assert file.content is not None
    assert CANARY.encode() not in file.content + file.data


def test_the_fields_are_saved_together_with_the_file(desk: Desk) -> None:
    record = desk.read()
    record.set("expires", "2027-01-01T00:00:00Z")
    fresh = desk.files.attach(record, "new.pfx", CONTENT)
    assert (fresh.value("expires"), fresh.revision) == ("2027-01-01T00:00:00Z", 2)
    assert desk.stage.value("client_secret") == desk.stage.at.old_secrets[-1]


def test_a_second_file_of_the_same_name_stands_beside_the_first(desk: Desk) -> None:
    old = only(desk.attach(content=b"old"))
    fresh = desk.attach(content=b"new")
    contents = [desk.files.download(fresh, attachment.uid) for attachment in fresh.attachments()]
    assert contents == [b"old", b"new"]
    assert fresh.attachments()[0] == old


def test_a_reference_field_without_values_is_no_obstacle(desk: Desk) -> None:
    desk.stage.stored()["fields"].append({"type": "fileRef"})
    desk.attach()
    assert desk.keeper.files(desk.uid) == {"new.pfx": CONTENT}


def test_connections_are_used_again(desk: Desk) -> None:
    for _ in range(3):
        fresh = desk.attach()
        desk.files.download(fresh, fresh.attachments()[-1].uid)
    assert len(desk.stage.sandbox.connects) == 2


NOTHING = {
    "read-only": (faults.Status(403), Refused),
    "throttled for ever": (faults.throttled(429), Refused),
    "the proxy refuses": (faults.Refuse(502), NotSent),
}


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_is_attached(name: str, desk: Desk) -> None:
    kind, expected = NOTHING[name]
    record = desk.read()
    desk.http.session.close()
    desk.stage.sandbox.fault("keeper", "connect" if isinstance(kind, faults.Refuse) else "add_file", kind, times=None)
    before = record.content()
    with pytest.raises(expected):
        desk.files.attach(record, "new.pfx", CONTENT)
    assert record.content() == before
    assert desk.keeper.files(desk.uid) == {}
    assert desk.keeper.record(desk.uid).revision == 1


def test_throttling_is_waited_for(desk: Desk) -> None:
    desk.stage.sandbox.fault("keeper", "add_file", faults.throttled(403), times=2)
    desk.attach()
    assert desk.keeper.files(desk.uid) == {"new.pfx": CONTENT}


def test_a_record_that_is_read_only(desk: Desk) -> None:
    desk.keeper.set_editable(desk.uid, False)
    assert isinstance(desk.refused(), Refused)
    assert desk.keeper.files(desk.uid) == {}


def test_an_edit_meanwhile_is_not_lost(desk: Desk) -> None:
    record = desk.read()
    desk.keeper.edit(desk.uid, "expires", "edited by a colleague")
    with pytest.raises(Refused):
        desk.files.attach(record, "new.pfx", CONTENT)
    assert (desk.stage.value("expires"), desk.keeper.files(desk.uid)) == ("edited by a colleague", {})
    desk.attach()
    assert (desk.stage.value("expires"), desk.keeper.files(desk.uid)) == (
        "edited by a colleague",
        {"new.pfx": CONTENT},
    )


BEFORE = [faults.ResetBefore(), faults.Hang(), faults.Status(503)]
AFTER = [faults.ResetAfter(), faults.HangAfter(), faults.ErrorAfter(500), faults.Truncated(), faults.Malformed(),
         faults.Empty()]  # fmt: skip


@pytest.mark.parametrize("kind", [*BEFORE, *AFTER], ids=lambda kind: kind.name)
def test_a_lost_answer_to_add_file_is_not_asked_for_again(kind: faults.Kind, desk: Desk) -> None:
    desk.stage.sandbox.fault("keeper", "add_file", kind)
    error = desk.refused()
    assert isinstance(error, HalfAttached)
    assert (desk.count("keeper.add_file"), desk.count("keeper_files.upload")) == (1, 0)
    linked = kind in AFTER
    assert desk.keeper.files(desk.uid) == ({"new.pfx": None} if linked else {})
    assert [each.uid for each in desk.read().attachments()] == ([error.attachment_uid] if linked else [])
    assert error.attachment_uid in str(error)


@pytest.mark.parametrize("kind", [*BEFORE, *AFTER], ids=lambda kind: kind.name)
def test_an_upload_that_breaks_once(kind: faults.Kind, desk: Desk) -> None:
    desk.stage.sandbox.fault("keeper_files", "upload", kind)
    fresh = desk.attach()
    assert desk.files.download(fresh, only(fresh).uid) == CONTENT
    assert desk.count("keeper.add_file") == 1


@pytest.mark.parametrize("kind", [faults.ResetBefore(), faults.Status(503), faults.Status(403)], ids=repr)
def test_an_upload_that_never_arrives_leaves_a_file_without_content(kind: faults.Kind, desk: Desk) -> None:
    desk.stage.sandbox.fault("keeper_files", "upload", kind, times=None)
    error = desk.refused()
    assert isinstance(error, HalfAttached), error
    assert desk.keeper.files(desk.uid) == {"new.pfx": None}
    record = desk.read()
    assert only(record).uid == error.attachment_uid
    with pytest.raises(Refused) as caught:
        desk.files.download(record, only(record).uid)
    assert caught.value.status in (403, 404)
    assert desk.files.detach(record, [error.attachment_uid]).attachments() == []
    desk.stage.sandbox.faults.clear()
    desk.attach()
    assert desk.keeper.files(desk.uid) == {"new.pfx": CONTENT}


def test_a_storage_host_that_cannot_be_reached(desk: Desk) -> None:
    desk.stage.sandbox.fault("keeper_files", "connect", faults.Refuse(403), times=None)
    error = desk.refused()
    assert isinstance(error, HalfAttached), "NotSent would say that the record is as before"
    assert desk.keeper.files(desk.uid) == {"new.pfx": None}


def test_a_file_that_is_attached_while_the_record_cannot_be_read_back(desk: Desk) -> None:
    desk.stage.sandbox.fault("keeper", "get_secret", faults.Status(403), nth=2, times=None)
    error = desk.refused()
    assert type(error) is Unclear
    assert "the file is attached" in str(error)
    assert desk.keeper.files(desk.uid) == {"new.pfx": CONTENT}


def test_the_content_goes_nowhere_in_the_clear(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    form = desk.keeper.storage.form
    monkeypatch.setattr(
        desk.keeper.storage, "form", lambda file: {**form(file), "url": "http://storage.example.com/upload"}
    )
    error = desk.refused()
    assert isinstance(error, HalfAttached)
    assert "not https" in str(error)
    assert {request.host for request in desk.stage.sandbox.requests} == {"keepersecurity.com"}


# Downloading


@pytest.mark.parametrize("kind", [*BEFORE, *AFTER], ids=lambda kind: kind.name)
def test_a_download_is_repeated(kind: faults.Kind, desk: Desk) -> None:
    desk.keeper.add_file(desk.uid, "theirs.pem", CONTENT)
    record = desk.read()
    desk.stage.sandbox.fault("keeper_files", "download", kind)
    assert desk.files.download(record, only(record).uid) == CONTENT


def test_another_clients_file(desk: Desk) -> None:
    desk.keeper.add_file(desk.uid, "theirs.pem", CONTENT, "application/x-pem-file", "Their certificate")
    attachment = only(desk.read())
    assert (attachment.name, attachment.title) == ("theirs.pem", "Their certificate")


def test_a_file_that_was_never_uploaded(desk: Desk) -> None:
    desk.keeper.add_file(desk.uid, "bare.pem", None)
    record = desk.read()
    with pytest.raises(Refused) as caught:
        desk.files.download(record, only(record).uid)
    assert caught.value.status == 404
    assert "no content" in caught.value.hint


def test_content_that_somebody_tampered_with(desk: Desk) -> None:
    desk.keeper.add_file(desk.uid, "theirs.pem", CONTENT)
    (file,) = desk.keeper.vault.files.values()
    assert file.content is not None
    file.content = file.content[:-1] + bytes([file.content[-1] ^ 1])
    record = desk.read()
    with pytest.raises(Unclear, match="decrypted"):
        desk.files.download(record, only(record).uid)


# Detaching


def test_only_the_named_file_is_detached(desk: Desk) -> None:
    desk.keeper.add_file(desk.uid, "keep.pem", b"keep")
    record = desk.attach()
    named = next(each.uid for each in record.attachments() if each.name == "new.pfx")
    fresh = desk.files.detach(record, [named])
    assert [each.name for each in fresh.attachments()] == ["keep.pem"]
    assert desk.keeper.files(desk.uid) == {"keep.pem": b"keep"}
    assert desk.keeper.record(desk.uid).field("fileRef") == {"type": "fileRef", "value": [only(fresh).uid]}
    assert desk.stage.value("client_secret") == desk.stage.at.old_secrets[-1]


def test_an_edit_while_a_file_is_detached_is_not_lost(desk: Desk) -> None:
    record = desk.attach()
    desk.keeper.edit(desk.uid, "expires", "edited by a colleague")
    with pytest.raises(Refused):
        desk.files.detach(record, [only(record).uid])
    assert desk.stage.value("expires") == "edited by a colleague"
    assert desk.keeper.files(desk.uid) == {"new.pfx": CONTENT}
    assert only(record).uid in record.content(), "what was read is as it was"


@pytest.mark.parametrize("kind", [*BEFORE, *AFTER], ids=lambda kind: kind.name)
def test_a_lost_answer_while_a_file_is_detached(kind: faults.Kind, desk: Desk) -> None:
    record = desk.attach()
    desk.stage.sandbox.fault("keeper", "update_secret", kind)
    # Keeper's answer to a save is empty: an empty one says nothing else.
    if isinstance(kind, faults.Empty):
        desk.files.detach(record, [only(record).uid])
    else:
        with pytest.raises(Unclear):
            desk.files.detach(record, [only(record).uid])
    assert desk.keeper.files(desk.uid) == ({} if kind in AFTER else {"new.pfx": CONTENT})
    assert desk.count("keeper.update_secret") == 1


# New records

FIELDS = [
    ("", "login", "CN=orders"),
    ("password", "password", "canary-of-the-file-1"),
    ("thumbprint", "text", "AB12"),
    ("pfx_password", "secret", "canary-of-the-file-2 \"'\\ü"),
    ("chain", "multiline", "line 1\nline 2"),
    ("empty", "text", ""),
]


def create(desk: Desk, folder: str | None = None, **changes: Any) -> str:
    """Create the record of `FIELDS`."""
    arguments: dict[str, Any] = {"title": "A certificate", "record_type": "pamUser", "fields": FIELDS} | changes
    return desk.folders.create(folder or desk.keeper.vault.default_folder, target="thumbprint", **arguments).uid


def made(desk: Desk) -> list[str]:
    """The uids of the records that were created."""
    return [uid for uid, record in desk.keeper.vault.records.items() if record.data["title"] == "A certificate"]


def test_a_new_record_has_all_its_fields(desk: Desk) -> None:
    uid = create(desk, notes="made by a test")
    record = desk.vault.read([uid])[uid]
    assert (record.title, record.type, record.editable) == ("A certificate", "pamUser", True)
    assert record.fields_in_order() == [
        ("thumbprint", "AB12"),
        ("pfx_password", "canary-of-the-file-2 \"'\\ü"),
        ("chain", "line 1\nline 2"),
        ("empty", ""),
        ("login", "CN=orders"),
        ("password", "canary-of-the-file-1"),
    ]
    stored = desk.keeper.record(uid)
    assert stored.data["notes"] == "made by a test"
    assert [field["type"] for field in stored.data["fields"]] == ["login", "password"]
    fresh = desk.files.attach(record, "new.pfx", CONTENT)
    assert desk.files.download(fresh, only(fresh).uid) == CONTENT


@pytest.mark.parametrize("kind", ["pamUser", "pamMachine", "pamDatabase", "pamDirectory", "pamAzureConfiguration"])
def test_records_of_the_pam_types_can_be_created(kind: str, desk: Desk) -> None:
    assert desk.keeper.record(create(desk, record_type=kind)).type == kind


def test_a_folder_inside_a_shared_folder(desk: Desk) -> None:
    shared = desk.keeper.vault.add_folder("Certificates")
    inside = desk.keeper.vault.add_folder("Production", shared)
    deepest = desk.keeper.vault.add_folder("EU", inside)
    assert [tuple(folder) for folder in desk.folders.all()][-3:] == [
        (shared, "Certificates", ""),
        (inside, "Production", shared),
        (deepest, "EU", inside),
    ]
    stored = desk.keeper.vault.records[create(desk, deepest)]
    assert (stored.folder_uid, stored.inner_folder_uid) == (shared, deepest)


def test_an_empty_folder(desk: Desk) -> None:
    uid = create(desk, desk.keeper.vault.add_folder("Empty"))
    assert desk.vault.read([uid])[uid].title == "A certificate"


@pytest.mark.parametrize("kind", [*BEFORE, *AFTER], ids=lambda kind: kind.name)
def test_a_lost_answer_while_a_record_is_created_makes_one(kind: faults.Kind, desk: Desk) -> None:
    desk.stage.sandbox.fault("keeper", "create_secret", kind)
    assert [create(desk)] == made(desk)


def test_answers_that_are_lost_twice_and_a_vault_that_cannot_be_read_between_make_one(desk: Desk) -> None:
    desk.stage.sandbox.fault("keeper", "create_secret", faults.ResetAfter())
    desk.stage.sandbox.fault("keeper", "get_secret", faults.Status(403), times=1)
    assert [create(desk)] == made(desk)


def test_a_record_of_which_nothing_can_be_learned_is_named(desk: Desk) -> None:
    desk.stage.sandbox.fault("keeper", "create_secret", faults.ResetAfter(), times=None)
    desk.stage.sandbox.fault("keeper", "get_secret", faults.Status(403), times=None)
    with pytest.raises(Unclear) as caught:
        create(desk)
    (uid,) = made(desk)
    assert uid in str(caught.value)


def test_a_record_that_never_arrives(desk: Desk) -> None:
    desk.stage.sandbox.fault("keeper", "create_secret", faults.ResetBefore(), times=None)
    with pytest.raises(Unclear):
        create(desk)
    assert made(desk) == []


@pytest.mark.parametrize("readable", [True, False])
def test_a_refusal_may_mean_that_the_uid_is_taken_and_where_that_cannot_be_seen_no_other_is_tried(
    readable: bool, desk: Desk
) -> None:
    desk.stage.sandbox.fault("keeper", "create_secret", faults.Status(400), times=None)
    if not readable:
        desk.stage.sandbox.fault("keeper", "get_secret", faults.Status(403), times=None)
    with pytest.raises(Refused):
        create(desk)
    assert made(desk) == [] and desk.count("keeper.create_secret") == (UIDS if readable else 1)


def test_the_uid_of_a_thing_is_one_of_keepers_the_same_on_every_host_and_begins_with_no_dash() -> None:
    uids = [record_uid("folder", "certificate_id", f"web{number}", 0) for number in range(400)]
    assert all(re.fullmatch("[A-Za-f][A-Za-z0-9_-]{21}", uid) for uid in uids) and len(set(uids)) == 400
    assert record_uid("folder", "certificate_id", " WEB1", 0) == uids[1] != record_uid("", "certificate_id", "web1", 0)


def test_a_folder_that_cannot_be_seen(desk: Desk) -> None:
    with pytest.raises(Failed, match="cannot be seen") as caught:
        create(desk, "AAAAAAAAAAAAAAAAAAAAAA")
    assert "share the folder" in caught.value.hint
    assert desk.count("keeper.create_secret") == 0


def test_a_folder_that_cannot_be_edited(desk: Desk) -> None:
    folder = desk.keeper.vault.add_folder("Read-only")
    desk.keeper.vault.folders[folder].editable = False
    with pytest.raises(Failed, match="in folder Read-only") as caught:
        create(desk, folder)
    assert "right to edit" in caught.value.hint
    assert made(desk) == []


def test_a_field_type_that_the_sdk_does_not_know(desk: Desk) -> None:
    with pytest.raises(Failed, match="not allowed"):
        create(desk, fields=[("", "certificate", "x")])


@pytest.mark.parametrize("key", [None, "bm8ga2V5"], ids=["missing", "broken"])
def test_a_configuration_without_the_owners_key(key: str | None, stage: Stage, desk: Desk) -> None:
    other = Desk(stage, appOwnerPublicKey=key)
    for attempt in (lambda: create(other), other.attach):
        with pytest.raises(Failed) as caught:
            attempt()
        assert ("one-time token" in caught.value.hint) == (key is None)
    assert desk.count("keeper.add_file") == desk.count("keeper.create_secret") == 0


# The sandbox, as the SDK's own methods meet it


def sdk_upload(desk: Desk, record: Any) -> str:
    """Upload by the SDK's own method."""
    return str(desk.sdk.upload_file(record, KeeperFileUpload("sdk.pem", "by the SDK", "text/plain", CONTENT)))


def test_the_sdks_own_upload_and_download(desk: Desk) -> None:
    uid = sdk_upload(desk, desk.sdk.get_secrets([desk.uid])[0])
    (file,) = desk.sdk.get_secrets([desk.uid])[0].files
    assert (file.f["fileUid"], file.title, file.get_file_data()) == (uid, "by the SDK", CONTENT)
    assert desk.files.download(desk.read(), only(desk.read()).uid) == CONTENT


def test_the_sdk_reads_what_we_attach(desk: Desk) -> None:
    desk.attach()
    (file,) = desk.sdk.get_secrets([desk.uid])[0].files
    assert file.get_file_data() == CONTENT


def test_the_sdks_own_upload_over_a_stale_revision(desk: Desk) -> None:
    record = desk.sdk.get_secrets([desk.uid])[0]
    desk.keeper.edit(desk.uid, "expires", "edited by a colleague")
    with pytest.raises(KeeperError, match="newer revision"):
        sdk_upload(desk, record)
    assert desk.keeper.files(desk.uid) == {}


def test_an_upload_form_is_good_for_one_file_once(desk: Desk) -> None:
    desk.attach()
    (file,) = desk.keeper.vault.files.values()
    form = desk.keeper.storage.form(file)
    fields = json.loads(form["parameters"])

    def post(content: bytes, **changes: str) -> int:
        return requests.post(form["url"], data=fields | changes, files={"file": content}, timeout=5).status_code

    assert file.content is not None
    assert post(file.content + b"x") == 400
    assert post(file.content, **{"x-amz-signature": "0" * 64}) == 403
    assert post(file.content, key="another") == 403
    assert post(file.content) == form["successStatusCode"] == 201
    assert post(file.content) == 403


def test_an_address_is_good_for_one_file(desk: Desk) -> None:
    desk.attach()
    (file,) = desk.keeper.vault.files.values()
    address = desk.keeper.storage.address(file)
    assert requests.get(address, timeout=5).content == file.content
    assert requests.get(address.replace(file.uid, "another"), timeout=5).status_code == 403
    assert requests.get(address.split("?")[0], timeout=5).status_code == 403
