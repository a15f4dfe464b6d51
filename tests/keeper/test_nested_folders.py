"""Records in folders inside folders: those that the web vault made, and those of folders that are shared by themselves.

A nested shared folder has a key and rights of its own: https://github.com/Keeper-Security/Commander/pull/2308
"""

from __future__ import annotations

import json

import pytest

from sandbox.proxy import faults
from tests.stage.discover import DiscoverStage, done, shop  # noqa: F401
from tests.stage.rotation import Stage


def move(stage: Stage, folder: str, *, by_hand: bool = False) -> None:
    """Put the stage's record into the folder."""
    vault = stage.sandbox.keeper.vault
    record, into = vault.records[stage.at.record_uid], vault.folders[folder]
    record.folder_uid = vault.shared(into).uid
    record.inner_folder_uid = None if record.folder_uid == folder else folder
    record.by_hand = by_hand


def nested(stage: Stage, *, editable: bool = True) -> str:
    """A nested shared folder in the stage's shared folder."""
    vault = stage.sandbox.keeper.vault
    return vault.add_folder("Nested", vault.default_folder, nested=True, editable=editable)


PLACES = ["the shared folder", "a folder inside it", "a nested shared folder"]


@pytest.mark.parametrize("by_hand", [False, True], ids=["made by an application", "made by hand"])
@pytest.mark.parametrize("place", PLACES)
def test_a_record_is_rotated_wherever_it_is(place: str, by_hand: bool, stage: Stage) -> None:
    vault = stage.sandbox.keeper.vault
    inner = vault.add_folder("Inside", vault.default_folder)
    move(stage, {PLACES[0]: vault.default_folder, PLACES[1]: inner, PLACES[2]: nested(stage)}[place], by_hand=by_hand)
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert stage.published_works()


def test_a_record_that_no_key_opens_is_left_out_and_others_are_read(stage: Stage) -> None:
    vault = stage.sandbox.keeper.vault
    other = vault.records[stage.sandbox.keeper.add_record("Another's", folder=vault.add_folder("Elsewhere"))]
    move(stage, vault.default_folder, by_hand=True)
    hidden = vault.folders[vault.add_folder("Unknown")]
    other.by_hand, other.folder_uid = True, hidden.uid
    client = vault.clients[stage.sandbox.keeper.client_id]
    client.folders, client.records = {vault.default_folder}, {other.uid}
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome


@pytest.mark.parametrize("by_hand", [False, True], ids=["made by an application", "made by hand"])
def test_a_nested_folder_that_is_told_of_with_its_parent(by_hand: bool, stage: Stage) -> None:
    stage.sandbox.keeper.api.names_parents = True
    move(stage, nested(stage), by_hand=by_hand)
    assert stage.run().code == 0


def test_without_the_folders_a_record_of_theirs_is_not_taken_for_one_that_is_not_there(stage: Stage) -> None:
    move(stage, stage.sandbox.keeper.vault.default_folder, by_hand=True)
    live = stage.live()
    stage.sandbox.fault("keeper", "get_folders", faults.Malformed(), times=None)
    outcome = stage.run()
    assert outcome.code == 1 and "Keeper get_folders" in outcome.report["error"], outcome
    assert stage.live() == live


def test_the_parents_share_is_not_the_childs(stage: Stage) -> None:
    vault = stage.sandbox.keeper.vault
    move(stage, nested(stage))
    vault.clients[stage.sandbox.keeper.client_id].folders = {vault.default_folder}
    live = stage.live()
    outcome = stage.run()
    assert outcome.code == 1 and "cannot be read" in outcome.report["error"], outcome
    assert stage.live() == live


def test_a_nested_folder_that_may_only_be_viewed(stage: Stage) -> None:
    move(stage, nested(stage, editable=False))
    live = stage.live()
    outcome = stage.run()
    assert outcome.code == 1 and "read-only" in outcome.report["error"], outcome
    assert stage.live() == live


@pytest.mark.parametrize("by", ["uid", "name"])
def test_a_new_record_is_made_in_a_nested_folder_and_found_there(by: str, shop: DiscoverStage) -> None:
    folder = nested(shop)
    shop.sandbox.keeper.api.names_parents = by == "name"
    shop.certificate("web1")
    create = ("discover", "certificates", "--only=web1", "--create", f"--folder={folder if by == 'uid' else 'Nested'}")
    assert "(new)" in done(shop.command(*create)).stdout
    (record,) = shop.made()
    assert shop.sandbox.keeper.vault.records[record.uid].folder_uid == folder
    shop.sandbox.forget()
    assert record.uid in done(shop.command(*create)).stdout and not shop.writes()
    listed = json.loads(done(shop.command("status", f"--folder={folder}", "--json")).stdout)
    assert [row["record"] for row in listed] == [record.uid], listed


def test_a_nested_folder_that_may_only_be_viewed_gets_no_record(shop: DiscoverStage) -> None:
    folder = nested(shop, editable=False)
    shop.certificate("web1")
    outcome = shop.command("discover", "certificates", "--only=web1", "--create", f"--folder={folder}")
    assert "right to edit in the shared folder" in outcome.stdout + outcome.stderr and not shop.made()
