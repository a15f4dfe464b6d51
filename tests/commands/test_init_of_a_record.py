"""``keeper-rotation init`` for a MongoDB user, and for a password that Keeper rotates: their records are there."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from gateway.host.lock import RecordLock
from sandbox.proxy import faults
from tests.commands.test_init import at_terminal, known_to, lines
from tests.stage.command import command
from tests.stage.commander import commander
from tests.stage.mongodb_user import OLD, MongoStage
from tests.stage.published_password import NEW, PasswordStage
from tests.stage.rotation import ROOT

DESTINATION = "https://passwords-vault.vault.azure.net/secrets/mongodb"


@pytest.fixture
def mongo() -> Iterator[MongoStage]:
    """A MongoDB user whose record has a login and a password, and nothing else."""
    with MongoStage() as made:
        assert isinstance(made, MongoStage)
        made.stored()["custom"] = []
        yield made


@pytest.fixture
def keeper_rotates() -> Iterator[PasswordStage]:
    """A user whose password Keeper rotates, and a vault that is to have it."""
    with PasswordStage() as made:
        assert isinstance(made, PasswordStage)
        made.stored()["custom"] = []
        yield made


def of_mongodb(stage: MongoStage, *more: str) -> list[str]:
    """The command with all options."""
    words = [
        "init",
        "--kind=mongodb",
        f"--target={stage.at.record_uid}",
        f"--mongodb-uri={stage.server.uri(tls=False)}",
    ]
    return [*words, "--auth-database=shop", f"--credential={stage.admin_uid}", f"--batch={stage.folder / 'b'}", *more]


def of_a_password(stage: PasswordStage, *more: str) -> list[str]:
    """The command with all options."""
    words = ["init", "--kind=password", f"--target={stage.at.record_uid}", f"--deliver-to={stage.address}"]
    return [*words, f"--credential={stage.at.admin_record_uid}", f"--batch={stage.folder / 'b'}", *more]


def unchanged(stage: MongoStage | PasswordStage) -> bool:
    """Nothing was added to the record, and no file written."""
    return not stage.stored()["custom"] and not (stage.folder / "b").exists()


def revision(stage: MongoStage) -> int:
    """Of the record: another one after each save."""
    return stage.sandbox.keeper.vault.records[stage.at.record_uid].revision


def test_a_mongodb_user_is_set_up_and_its_script_rotates(mongo: MongoStage) -> None:
    done = command(mongo, *of_mongodb(mongo))
    assert done.returncode == 0, done
    values = mongo.sandbox.keeper.record(mongo.at.record_uid).values()
    assert values["mongodb_uri"] == mongo.server.uri(tls=False) and values["auth_database"] == "shop"
    assert (values["NOOP"], values["Private Key Type"], values["rotate_before_hours"]) == ("True", "rsa-ssh", "720")
    assert mongo.standard("password") == OLD and "would      rotate" in done.stdout
    add_script, schedule = lines(mongo.folder / "b")
    assert f"add {mongo.at.record_uid} --script=scripts/mongodb_user.py " in add_script
    assert add_script.endswith(f"--add-credential={mongo.admin_uid}") and '"0 0 4 * * ?"' in schedule
    outcome = mongo.rotate()
    assert (outcome.code, outcome.result) == (0, "rotated") and mongo.works(mongo.standard("password")), outcome


def test_a_password_of_keepers_is_set_up_and_its_script_delivers(keeper_rotates: PasswordStage) -> None:
    done = command(keeper_rotates, *of_a_password(keeper_rotates))
    assert done.returncode == 0 and "keeper-rotation run publish_password --record=" in done.stderr, done
    values = keeper_rotates.sandbox.keeper.record(keeper_rotates.at.record_uid).values()
    assert values["deliver_to"] == keeper_rotates.address and "NOOP" not in values
    (add_script,) = lines(keeper_rotates.folder / "b")
    assert "scripts/publish_password.py" in add_script, "Keeper has a schedule for it"
    keeper_rotates.save(NEW)
    assert keeper_rotates.publish().code == 0 and keeper_rotates.held() == NEW


def test_run_again_it_changes_nothing_and_writes_the_lines(mongo: MongoStage) -> None:
    assert command(mongo, *of_mongodb(mongo)).returncode == 0
    before = revision(mongo)
    (mongo.folder / "b").unlink()
    done = command(mongo, *of_mongodb(mongo))
    assert done.returncode == 0 and "has its fields already" in done.stderr, done
    assert revision(mongo) == before and lines(mongo.folder / "b")


def test_what_a_person_has_filled_in_stays(keeper_rotates: PasswordStage, mongo: MongoStage) -> None:
    mongo.sandbox.keeper.edit(mongo.at.record_uid, "rotate_before_hours", "24")
    assert command(mongo, *of_mongodb(mongo)).returncode == 0
    assert mongo.value("rotate_before_hours") == "24"
    keeper_rotates.sandbox.keeper.edit(keeper_rotates.at.record_uid, "deliver_to", DESTINATION)
    other = DESTINATION.replace("mongodb", "other")
    assert command(keeper_rotates, *of_a_password(keeper_rotates, f"--deliver-to={other}")).returncode == 0
    assert keeper_rotates.value("deliver_to").splitlines() == [DESTINATION, other]


# What is wrong: fields of the record, options, and the message.
WRONG: dict[str, tuple[dict[str, str], list[str], str]] = {
    "no such record": ({}, ["--target=nothing"], "no PAM User record that can be read has this uid"),
    "a title that is nearly one": ({}, ["--target=Order database"], "similar: orders database"),
    "a record that is no PAM User": ({}, ["--target=ADMIN"], "is of type login, not PAM User"),
    "another kind of record": ({"application_object_id": "x"}, [], "is for another target"),
    "another server": ({"mongodb_uri": "mongodb://else.example/"}, [], "says something else in mongodb_uri"),
    "a server that is not allowed": ({}, ["--mongodb-uri=mongodb://else.example/?tls=true"], "may not be used at"),
    "a password in the address": ({}, ["--mongodb-uri=mongodb://a:b@127.0.0.1/"], "holds a login or password"),
    "no such administrator": ({}, ["--credential=" + "A" * 22], "cannot be read"),
    "a destination that is none": ({}, ["--deliver-to=x"], "deliver_to: 'x' is not"),
    "an option of another kind": ({}, ["--folder=x"], "--folder: not for --kind=mongodb"),
}


@pytest.mark.parametrize("name", WRONG)
def test_nothing_is_changed_where_a_mongodb_user_has(name: str, mongo: MongoStage) -> None:
    fields, options, words = WRONG[name]
    for label, value in fields.items():
        mongo.sandbox.keeper.edit(mongo.at.record_uid, label, value)
    before = revision(mongo)
    done = command(mongo, *of_mongodb(mongo, *(each.replace("ADMIN", mongo.admin_uid) for each in options)))
    assert done.returncode == 1 and words in done.stderr and "hint: " in done.stderr, done
    assert revision(mongo) == before and not (mongo.folder / "b").exists()


# What a record is like that Keeper does not rotate, or that cannot be changed; and the message.
UNFIT = {
    "NOOP": ("NOOP", "True", "has NOOP = True: Keeper does not rotate its password"),
    "an app": ("application_object_id", "x", "publish_password.py is not the script for it"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_a_record_that_keeper_does_not_rotate_is_left_alone(name: str, keeper_rotates: PasswordStage) -> None:
    label, value, words = UNFIT[name]
    keeper_rotates.sandbox.keeper.edit(keeper_rotates.at.record_uid, label, value)
    done = command(keeper_rotates, *of_a_password(keeper_rotates))
    assert done.returncode == 1 and words in done.stderr, done
    assert not keeper_rotates.value("deliver_to") and not (keeper_rotates.folder / "b").exists()


def test_a_record_that_has_a_script_or_no_password_is_left_alone(mongo: MongoStage) -> None:
    fields = mongo.stored()["fields"]
    fields.append({"type": "script", "value": [{"fileRef": "A" * 22, "command": "python", "recordRef": []}]})
    assert "has a script already" in command(mongo, *of_mongodb(mongo)).stderr
    del fields[1:]
    assert "has no password" in command(mongo, *of_mongodb(mongo)).stderr
    mongo.sandbox.keeper.set_editable(mongo.at.record_uid, False)
    assert "is read-only" in command(mongo, *of_mongodb(mongo)).stderr
    assert unchanged(mongo)


def test_two_of_one_title_are_told_apart_by_their_uids(mongo: MongoStage) -> None:
    more = [{"type": "login", "value": ["x"]}, {"type": "password", "value": ["y"]}]
    uid = mongo.sandbox.keeper.add_record("orders database", "pamUser", more, [])
    done = command(mongo, *of_mongodb(mongo, "--target=Orders Database"))
    assert done.returncode == 1 and uid in done.stderr and mongo.at.record_uid in done.stderr and unchanged(mongo)


@pytest.mark.parametrize("fault", [faults.Status(503), faults.Status(403)], ids=["503", "403"])
def test_a_save_that_is_refused_is_told(fault: faults.Fault, keeper_rotates: PasswordStage) -> None:
    keeper_rotates.sandbox.fault("keeper", "update_secret", fault, times=None)
    done = command(keeper_rotates, *of_a_password(keeper_rotates))
    assert done.returncode in (1, 3) and "error: " in done.stderr and unchanged(keeper_rotates), done


def test_a_first_rotation_that_would_fail_is_told(mongo: MongoStage) -> None:
    done = command(mongo, *of_mongodb(mongo, "--auth-database=elsewhere"))
    assert done.returncode == 2 and "its first rotation would not work yet" in done.stderr, done
    assert mongo.value("auth_database") == "elsewhere"


def test_it_asks_what_no_option_says(mongo: MongoStage, keeper_rotates: PasswordStage) -> None:
    answers = ["1", "1", mongo.server.uri(tls=False), "shop", str(mongo.folder / "b"), "y"]
    code, shown = at_terminal(mongo, "init", "--kind=mongodb", answers=answers)
    assert code == 0 and "orders database" in shown and mongo.value("auth_database") == "shop", shown
    answers = ["5", "1", keeper_rotates.address, str(keeper_rotates.folder / "b"), "y"]
    code, shown = at_terminal(keeper_rotates, "init", answers=answers)
    assert code == 0 and keeper_rotates.value("deliver_to") == keeper_rotates.address, shown


def test_a_no_changes_nothing(keeper_rotates: PasswordStage) -> None:
    given = of_a_password(keeper_rotates)
    code, shown = at_terminal(keeper_rotates, *given, "--target=", answers=["1", "n"])
    assert code == 1 and "nothing was changed" in shown and unchanged(keeper_rotates)


def test_all_that_is_missing_is_named_where_nobody_can_be_asked(mongo: MongoStage) -> None:
    for kind, missing in (("mongodb", "--target, --mongodb-uri, --credential"), ("password", "--target, --deliver-to")):
        done = command(mongo, "init", f"--kind={kind}")
        assert done.returncode == 1 and f"{missing}, --batch: missing" in done.stderr, done


def test_commander_takes_the_lines(mongo: MongoStage, monkeypatch: pytest.MonkeyPatch) -> None:
    assert command(mongo, *of_mongodb(mongo, "--script-command=/opt/python")).returncode == 0
    monkeypatch.chdir(ROOT)
    with commander() as keeper:
        for uid in (mongo.at.record_uid, mongo.admin_uid):
            known_to(keeper, mongo.sandbox.keeper.record(uid), mongo)
        keeper.run(f"run-batch --quiet {mongo.folder / 'b'}")
        (name,) = keeper.rotations
        script = ROOT / "scripts" / "mongodb_user.py"
        assert keeper.script_of(name) == [(script, "/opt/python", ["database administrator"])]


def test_a_question_may_wait_and_holds_no_lock(keeper_rotates: PasswordStage) -> None:
    uid = keeper_rotates.at.record_uid
    keeper_rotates.variables["ROTATION_DEADLINE_SECONDS"] = "5"
    keeper_rotates.sandbox.fault("keeper", "update_secret", faults.Status(503))

    def slowly() -> None:
        time.sleep(6)
        keeper_rotates.sandbox.keeper.edit(uid, "deliver_to", DESTINATION + "-of-another")
        RecordLock(keeper_rotates.variables["ROTATION_LOCK_DIR"], uid)

    given = of_a_password(keeper_rotates, "--target=")
    code, shown = at_terminal(keeper_rotates, *given, answers=["1", "y"], before_the_last=slowly)
    assert code == 0, shown
    assert keeper_rotates.value("deliver_to").splitlines() == [DESTINATION + "-of-another", keeper_rotates.address]
