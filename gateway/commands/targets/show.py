"""``keeper-rotation targets``: what a record's admin credential can reach, as addresses for its field ``deliver_to``.

Nothing is written anywhere, and no value of a secret is read. Here: the record, the sign-in and what is printed;
`gateway.commands.targets.find` knows what is found where.
"""

from __future__ import annotations

import io
import json
import logging
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from urllib.parse import unquote

import click

from gateway.azure.devops import ROOT
from gateway.commands.shared.output import note, warn
from gateway.commands.targets.ask import Asker, Candidate, SharedArm
from gateway.commands.targets.find import HEADINGS, find
from gateway.deliveries.base import DeliveryContext
from gateway.engine.kind import Kind
from gateway.errors import CallError, Failed
from gateway.host.background import Background
from gateway.host.deadline import Deadline
from gateway.host.http import Http
from gateway.host.settings import read_settings
from gateway.host.shown import clean
from gateway.keeper.admin import AdminSearch
from gateway.keeper.checks import read_record
from gateway.keeper.config import find_ksm_config
from gateway.keeper.parameters import gateway_line, read_params
from gateway.keeper.record import VaultRecord
from gateway.keeper.vault import Vault
from gateway.kinds.registry import ROTATED, load
from gateway.model.kind_facts import KindFacts

_QUIET_SECONDS, _PROGRESS_SECONDS = 2.0, 5.0


@dataclass(frozen=True)
class Wanted:
    """What is listed: of these kinds (all, where none is named), and with one of these texts in address or name."""

    organisations: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    def has(self, found: Candidate) -> bool:
        """Whether an address is one of those that are asked for."""
        where = f"{found.address}\n{unquote(found.address)}\n{found.name}".lower()
        return not self.texts or any(text.lower() in where for text in self.texts)


def show_targets(
    record_uid: str, attached: Iterable[str], configuration_uid: str, wanted: Wanted, *, as_json: bool
) -> None:
    """Print what the record's admin credential can reach.

    Raises:
        Failed: the record or the admin credential cannot be used, or an organisation's name is none.
        CallError
    """
    logging.lastResort = None  # what libraries warn about may quote a request
    named = [_organisation(text) for text in wanted.organisations]
    kinds = [kind for kind in HEADINGS if kind in wanted.kinds or not wanted.kinds]
    unanswered = {"Keeper", "Entra", "Graph"}
    with _progress(unanswered):
        record, asker = _prepare(record_uid, list(attached), configuration_uid)
        there = _organisations_in(record.value("deliver_to"))
        everything = find(asker, kinds, list(dict.fromkeys((*named, *there))), unanswered)
    found = [each for each in everything if wanted.has(each)]
    click.echo(_json(found) if as_json else _readable(found, kinds), nl=False)
    for warning in sorted(asker.warnings):
        warn(warning)


def _organisation(text: str) -> str:
    name = text.strip().removeprefix(f"{ROOT}/").strip("/")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]*", name):
        raise Failed(f"--organisation: {text!r} is not the name of one", f"name it as in {ROOT}/<organisation>")
    return name.lower()


def _organisations_in(deliver_to: str) -> list[str]:
    hosts = r"https://(?:dev\.azure\.com/([A-Za-z0-9-]+)|([A-Za-z0-9-]+)\.visualstudio\.com)"
    return [(first or second).lower() for first, second in re.findall(hosts, deliver_to)]


# The record and the sign-in


def _prepare(record_uid: str, attached: list[str], configuration_uid: str) -> tuple[VaultRecord, Asker]:
    settings = read_settings()
    deadline = Deadline(settings.deadline, settings.retry_base)
    http = Http(settings.request_timeout, deadline)
    vault = Vault(find_ksm_config(), http)
    records = vault.read([])
    params = read_params(io.BytesIO(gateway_line(records, record_uid, attached, configuration_uid)))
    record = read_record(vault, params.record_uid)
    facts = _facts_of(record)
    kind = _sign_in(http, AdminSearch(params, record, vault, settings.cloud), facts)
    warnings: list[str] = []
    try:
        kind.identify(record.value(facts.target).strip())
    except CallError as error:
        unknown = f"the record's {facts.noun}, and whose the connections are, cannot be told"
        warnings.append(f"{unknown}: {error}; {error.hint}")
    # Whether a Key Vault secret will be there is for the reader to decide: a note says where one is needed.
    attached_records, delivery_form = params.attached, kind.delivery_form()
    context = DeliveryContext(
        http, deadline, kind.azure, vault, attached_records, record.uid, delivery_form, versions_follow=True
    )
    others = [(each.uid, each.title, each.value("deliver_to")) for each in records.values() if each.uid != record.uid]
    return record, Asker(context, record.value("deliver_to"), others, warnings)


def _facts_of(record: VaultRecord) -> KindFacts:
    """The record's kind, where it is one whose secret a connection signs in with."""
    served = [each for each in ROTATED if each.delivery_form.owner]
    for facts in served:
        if record.value(facts.target).strip():
            return facts
    hint = "fill in one of these fields in the vault; records of other kinds are not supported"
    raise Failed(f"record {record.uid} has no {' and no '.join(each.target for each in served)}", hint)


def _sign_in(http: Http, search: AdminSearch, facts: KindFacts) -> Kind:
    """The record's kind, signed in with the admin credential that a rotation would choose."""
    make_kind = load(facts)
    admin = make_kind.choose_admin(search)
    try:
        kind: Kind = make_kind(http, admin)
    except CallError as error:
        raise Failed(f"admin credential, {admin.source}: {error}", error.hint) from None
    if kind.azure:
        kind.azure.arm = SharedArm(http, admin.cloud.arm, partial(kind.azure.token, f"{admin.cloud.arm}/.default"))
    return kind


# What is printed


@contextmanager
def _progress(unanswered: set[str]) -> Iterator[None]:
    """Name on stderr who has not answered yet, where that takes long."""
    done = threading.Event()

    def tell() -> None:
        seconds = _QUIET_SECONDS
        while not done.wait(seconds):
            note(f"still asking: {', '.join(sorted(unanswered))}")
            seconds = _PROGRESS_SECONDS

    Background(tell)
    try:
        yield
    finally:
        done.set()


def _json(found: list[Candidate]) -> str:
    return json.dumps([asdict(each) for each in found], indent=1) + "\n"


def _readable(found: list[Candidate], kinds: list[str]) -> str:
    # Addresses are not masked: a subscription's id is a hidden field in some PAM configurations, and no secret.
    lines = []
    for kind in kinds:
        of_kind = [clean(f"  {each.address}  {_verdict(each)}").rstrip() for each in found if each.kind == kind]
        lines += [HEADINGS[kind], *(of_kind or ["  none found"])]
    return "\n".join(lines) + "\n"


def _verdict(found: Candidate) -> str:
    name = "" if found.name in found.address else found.name
    said = {True: "", False: "not usable: ", None: "cannot be told: "}[found.usable] + found.note
    return ": ".join(filter(None, (name, said)))
