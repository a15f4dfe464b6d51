"""Keeper Commander, unmodified, with the vault's server replaced: what its commands would leave in a vault.

Replaced are only the calls that go to the network: records, files and settings are kept here instead of being sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from keepercommander import api, attachment, cli, record_facades, record_management, utils, vault
from keepercommander.commands import discoveryrotation, ksm, tunnel_and_connections
from keepercommander.commands.pam import gateway_helper
from keepercommander.commands.pam_import import edit
from keepercommander.params import KeeperParams
from keepercommander.subfolder import RootFolderNode, SharedFolderNode

GATEWAY = utils.generate_uid()
CONFIGURATION, FILE = 6, 4  # versions of records, as in keepercommander/vault.py

# The parts of Keeper's record types that the commands look at.
TYPES: dict[str, tuple[tuple[str, str], ...]] = {
    "login": (("login", ""), ("password", "")),
    "pamUser": (("login", ""), ("password", ""), ("text", "connectDatabase")),
    "pamDatabase": (("pamHostname", ""), ("checkbox", "useSSL"), ("databaseType", ""), ("pamSettings", "")),
    "pamAzureConfiguration": (("pamResources", ""),),
    "pamNetworkConfiguration": (("pamResources", ""),),
}


class Graph:
    """In place of Keeper's graph of links: a record is in the graph of the configuration that it was linked to."""

    def __init__(self, vault: Vault, record_uid: str) -> None:
        configurations = [uid for uid, kept in vault.params.record_cache.items() if kept["version"] == CONFIGURATION]
        self._vault = vault
        self._configuration = record_uid if record_uid in configurations else vault.linked.get(record_uid, "")
        self.linking_dag = SimpleNamespace(has_graph=bool(self._configuration))
        self.record = SimpleNamespace(record_uid=self._configuration or record_uid)

    def _link(self, uid: str, *_: Any, **__: Any) -> None:
        self._vault.linked[uid] = self._configuration

    link_resource_to_config = link_user_to_config_noop = link_user_to_resource = _link

    def check_if_resource_has_admin(self, resource_uid: str) -> bool:
        """Whether some administrator was given to it."""
        return any(linked == resource_uid for _, linked in self._vault.admins)

    def __getattr__(self, name: str) -> Any:
        """Any other order is taken, and any other question is answered with no."""
        return lambda *_, **__: [] if name.startswith("get_all") else None


@dataclass
class Vault:
    """What the commands have left."""

    params: KeeperParams
    scripts: dict[str, Path] = field(default_factory=dict)
    """uploaded scripts, by the uid of the file"""
    rotations: dict[str, Any] = field(default_factory=dict)
    """settings of rotation, by the title of the record: Keeper's RouterRecordRotationRequest"""
    admins: list[tuple[str, str]] = field(default_factory=list)
    """administrators, each with the resource that it was given to"""
    linked: dict[str, str] = field(default_factory=dict)
    """records, each with the configuration that it was linked to"""

    def run(self, line: str) -> Any:
        """One line, as it is typed. Raises CommandError."""
        return cli.do_command(self.params, line)

    def save(self, record: vault.TypedRecord) -> None:
        """Keep a record."""
        record.record_uid = record.record_uid or utils.generate_uid()
        record.record_key = record.record_key or utils.generate_aes_key()
        data = {"title": record.title, "type": record.record_type, "notes": record.notes}
        for part, fields in (("fields", record.fields), ("custom", record.custom)):
            data[part] = [{"type": each.type, "label": each.label or "", "value": each.value} for each in fields]
        self.params.record_cache[record.record_uid] = {
            "record_uid": record.record_uid,
            "version": record.version,
            "revision": 1,
            "record_key_unencrypted": record.record_key,
            "data_unencrypted": json.dumps(data).encode(),
        }

    def records(self) -> dict[str, dict[str, Any]]:
        """All records by their titles, each with its uid."""
        found = {}
        for uid, kept in self.params.record_cache.items():
            data = json.loads(kept["data_unencrypted"])
            if kept["version"] != FILE:
                assert data["title"] not in found, "two records of one title"
                found[str(data["title"])] = data | {"uid": uid}
        return found

    def uid(self, value: bytes) -> str:
        """The title of the record with this uid; empty for none."""
        found = [title for title, data in self.records().items() if data["uid"] == utils.base64_url_encode(value)]
        return found[0] if found else ""

    @property
    def folder(self) -> str:
        """Uid of the shared folder."""
        return next(iter(self.params.shared_folder_cache))

    def script_of(self, title: str) -> list[tuple[Path, str, list[str]]]:
        """A record's scripts: the file, its command, and the titles of the records that are attached to it."""
        titles = {data["uid"]: title for title, data in self.records().items()}
        attached = [each for each in self.records()[title]["fields"] if each["type"] == "script"]
        return [
            (self.scripts[each["fileRef"]], each["command"], [titles[uid] for uid in each["recordRef"]])
            for field in attached
            for each in field["value"]
        ]

    def upload(self, _: Any, record: vault.TypedRecord, tasks: list[Any]) -> None:
        """Keep files."""
        facade = record_facades.FileRefRecordFacade()
        facade.record = record
        for task in tasks:
            assert task.is_script
            uid = utils.generate_uid()
            self.scripts[uid] = path = Path(task.file_path).resolve()
            facade.file_ref.append(uid)
            data = json.dumps({"name": path.name, "title": path.name, "size": 1}).encode()
            self.params.record_cache[uid] = {
                "record_uid": uid,
                "version": FILE,
                "revision": 1,
                "record_key_unencrypted": b"",
                "data_unencrypted": data,
            }

    def set_rotation(self, _: Any, request: Any, *__: Any) -> None:
        """Keep a record's settings of rotation."""
        uid = utils.base64_url_encode(request.recordUid)
        (title,) = [title for title, data in self.records().items() if data["uid"] == uid]
        self.rotations[title] = request
        self.params.record_rotation_cache[uid] = {
            "record_uid": uid,
            "revision": 1,
            "configuration_uid": utils.base64_url_encode(request.configurationUid),
            "resource_uid": utils.base64_url_encode(request.resourceUid),
            "schedule": request.schedule,
            "pwd_complexity": utils.base64_url_encode(request.pwdComplexity),
            "disabled": request.disabled,
        }

    def edit_tunnel(self, _: Any, *, record: str, admin: str = "", **__: Any) -> None:
        """Keep the administrator of a resource."""
        self.admins.append((admin, record))


@contextmanager
def commander() -> Iterator[Vault]:
    """A vault with the folders and the Gateway that `pam project import` makes, and nothing else."""
    params = KeeperParams()
    params.session_token, params.data_key = "signed in", utils.generate_aes_key()
    params.root_folder = RootFolderNode()
    for number, (kind, fields) in enumerate(TYPES.items()):
        content = {"$id": kind, "fields": [{"$ref": each, "label": label} for each, label in fields]}
        params.record_type_cache[number] = json.dumps(content)
    folders = {part: utils.generate_uid() for part in ("users", "resources")}
    for part, uid in folders.items():
        node = SharedFolderNode()
        node.uid, node.name = uid, part
        params.folder_cache[uid] = node
        params.shared_folder_cache[uid] = {"shared_folder_uid": uid, "name_unencrypted": part}
    made = Vault(params)
    controller = SimpleNamespace(controllerUid=utils.base64_url_decode(GATEWAY), controllerName="Gateway")
    folder_uids = {f"{part}_folder_uid": uid for part, uid in folders.items()}
    replaced = (
        (api, "sync_down", lambda *_, **__: None),
        (api, "communicate_rest", lambda *_, **__: None),
        (record_management, "add_record_to_folder", lambda _, record, *__: made.save(record)),
        (record_management, "update_record", lambda _, record, *__: made.save(record)),
        (attachment, "upload_attachments", made.upload),
        (gateway_helper, "get_all_gateways", lambda *_: [controller]),
        (discoveryrotation, "create_pam_configuration_in_folder", lambda _, record, *__, **___: made.save(record)),
        (discoveryrotation, "router_set_record_rotation_information", made.set_rotation),
        (tunnel_and_connections.PAMTunnelEditCommand, "execute", lambda _, *a, **k: made.edit_tunnel(*a, **k)),
        (edit.PAMProjectImportCommand, "process_folders", lambda *_: folder_uids),
        (edit.PAMProjectImportCommand, "process_ksm_app", lambda *_: {"app_uid": utils.generate_uid()}),
        (edit.PAMProjectImportCommand, "process_gateway", lambda *_: {"gateway_uid": GATEWAY}),
        *((module, "get_keeper_tokens", lambda *_: ("", "", b"")) for module in (discoveryrotation, edit)),
        *((module, "TunnelDAG", _graph_of(made)) for module in (discoveryrotation, edit)),
        (ksm.KSMCommand, "execute", lambda *_, **__: None),
    )
    with mock.patch.multiple(cli, stack=[]):
        patches = [mock.patch.object(module, name, value) for module, name, value in replaced]
        for patch in patches:
            patch.start()
        try:
            yield made
        finally:
            mock.patch.stopall()


def _graph_of(made: Vault) -> Any:
    """As `TunnelDAG` is called."""

    def graph(_: Any, __: Any, ___: Any, record_uid: str, *____: Any, **_____: Any) -> Graph:
        return Graph(made, record_uid)

    return graph
