"""What Keeper says of a save over an old revision, and of folders inside folders."""

from __future__ import annotations

from gateway.errors import CallError
from tests.live.answers import Answers
from tests.live.ground import Ground


def save_over_an_old_revision(ground: Ground, answers: Answers) -> None:
    """One record, read twice and saved twice."""
    uid = ground.make_record("revision", {})
    first, second = (ground.vault.read([uid])[uid] for _ in range(2))
    first.set("login", "first")
    ground.vault.save(first)
    second.set("login", "second")
    try:
        ground.vault.save(second)
    except CallError as error:
        there = ground.vault.read([uid])[uid].value("login")
        return answers.settle("K4", f"a stale save: {error}", ok=there == "first")
    answers.settle("K4", "a save over an old revision was accepted: the first one is lost", ok=False)


def read_in_a_nested_folder(ground: Ground, answers: Answers) -> None:
    """A record in a folder inside a folder."""
    if not ground.given.nested_folder:
        return answers.skip("K12", "LIVE_NESTED_FOLDER was not given")
    folder = ground.folder(ground.given.nested_folder)
    uid = ground.make_record("nested", {}, folder=folder)
    record = ground.vault.read([uid]).get(uid)
    places = (record.folder_uid, record.inner_folder_uid) if record else ()
    answers.settle("K12", f"a new record there is {'found' if record else 'not found'}", ok=folder in places)
