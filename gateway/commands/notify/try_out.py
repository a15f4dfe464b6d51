"""``keeper-rotation notify test``: whether those whom a record names can be told. Nothing is changed anywhere."""

from __future__ import annotations

from gateway.commands.notify.sent import show_sent
from gateway.errors import Failed
from gateway.host.deadline import Deadline
from gateway.host.http import Http
from gateway.host.notify.message import send
from gateway.host.settings import read_settings
from gateway.keeper.checks import read_record
from gateway.keeper.config import find_ksm_config
from gateway.keeper.vault import Vault
from gateway.model.policy import read_notify_policy


def notify_test(record_uid: str, *, as_json: bool) -> None:
    """Send a message to each address in the record's ``notify``, and show which of them took it.

    Raises:
        Failed: one of them did not, or the record names none.
        CallError
    """
    settings = read_settings()
    http = Http(settings.request_timeout, Deadline(settings.deadline, settings.retry_base))
    record = read_record(Vault(find_ksm_config(), http), record_uid)
    urls = read_notify_policy(record.value).urls
    if not urls:
        raise Failed(f"record {record.uid}: notify is empty", "name services there; docs/notifications.md shows how")
    body = f"Nothing has happened: this was asked for by keeper-rotation notify test.\nrecord {record.uid}"
    told = send(urls, "Rotation: a test", body)
    show_sent(told, "correct notify in the record", as_json=as_json)
