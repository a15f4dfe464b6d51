"""Storage keys: one is published, the other one is regenerated and takes its place; nobody is left with a dead key."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import pairwise
from time import monotonic, sleep
from typing import Any

import pytest

from gateway.model.credential import stamp
from sandbox.proxy import faults
from sandbox.storage.accounts import SERVICES
from tests.stage import patience
from tests.stage.rotation import Outcome
from tests.stage.storage_key import SCRIPT, StorageStage
from tests.sweep.deep import deep_unless
from tests.sweep.known_requests import counted, known
from tests.sweep.rotation import FAULTS, KILLS, changes

DAY = 86400.0


@pytest.fixture
def storage() -> Iterator[Callable[..., StorageStage]]:
    with ExitStack() as stack:
        yield lambda **furnish: stack.enter_context(StorageStage(**furnish))  # type: ignore[return-value]


Make = Callable[..., StorageStage]


def rotated(stage: StorageStage) -> Outcome:
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome
    assert stage.works()
    assert not stage.leaks([outcome])
    return outcome


def test_the_keys_take_turns(storage: Make) -> None:
    stage = storage()
    for number, name in enumerate(("key2", "key1", "key2"), 1):
        before = stage.value("storage_key")
        outcome = rotated(stage)
        assert stage.value("active_key") == name
        assert stage.regenerated()[-1] == name and len(stage.regenerated()) == number
        assert stage.sandbox.storage.key_works(stage.made.account_name, before), "the former key lives on"
        assert outcome.report["proved"] == "request"


def test_what_is_written(storage: Make) -> None:
    stage = storage()
    rotated(stage)
    name = stage.value("active_key")
    assert stage.value("connection_string") == stage.made.account.connection_string(name)
    kinds = {entry["label"]: entry["type"] for entry in stage.stored()["custom"]}
    assert kinds["storage_key"] == kinds["connection_string"] == "secret"
    assert stage.value("last_rotated") and stage.value("expires") and stage.value("created")


def test_the_first_run_takes_the_second_key(storage: Make) -> None:
    stage = storage(published=None)
    rotated(stage)
    assert stage.regenerated() == ["key2"]


def test_sovereign_clouds_have_their_own_endpoints(storage: Make) -> None:
    stage = storage(suffix="core.usgovcloudapi.net")
    stage.sandbox.keeper.edit(stage.at.admin_record_uid, "azure_cloud", "AzureUSGovernment")
    rotated(stage)
    assert stage.value("connection_string").endswith("EndpointSuffix=core.usgovcloudapi.net")


def test_remove_old_all_ends_the_former_key(storage: Make) -> None:
    stage = storage(settings={"remove_old": "all"})
    before = stage.value("storage_key")
    rotated(stage)
    assert stage.regenerated() == ["key2", "key1"]
    assert not stage.sandbox.storage.key_works(stage.made.account_name, before)


def test_remove_old_all_after_an_overlap(storage: Make) -> None:
    settings = {"remove_old": "all", "overlap_hours": "24", "rotate_before_hours": "48"}
    stage = storage(settings=settings | {"secret_lifetime_days": "30"})
    before = stage.value("storage_key")
    stage.sandbox.clock.advance(40 * DAY)
    password = stage.sandbox.directory.applications[stage.at.admin_object_id].passwords[0]
    password.end += 100 * DAY
    rotated(stage)
    assert stage.sandbox.storage.key_works(stage.made.account_name, before)
    stage.sandbox.clock.advance(1.1 * DAY)
    for _ in range(2):
        assert stage.run().result == "not_due"
        assert stage.regenerated() == ["key2", "key1"], "once"
    assert stage.works()


def test_an_overlap_protects_the_former_key(storage: Make) -> None:
    stage = storage(settings={"overlap_hours": "24"})
    rotated(stage)
    outcome = stage.run()
    assert (outcome.code, outcome.result) == (0, "not_due"), outcome
    asked = stage.run(stage.line(dueNow=True))
    assert asked.code == 1 and "overlap_hours" in asked.report["hint"], asked
    assert stage.regenerated() == ["key2"] and stage.works()


def test_an_overlap_begins_when_the_last_destination_lets_go(storage: Make) -> None:
    stage = storage(settings={"overlap_hours": "24", "remove_old": "replaced", "rotate_before_hours": ""})
    stage.to_key_vault()
    rotated(stage)
    held = stage.value("storage_key")
    stage.sandbox.clock.advance(2 * DAY)
    vault = next(each for each in stage.sandbox.keyvault.vaults.values() if each.name == "storage-vault")
    vault.firewall = True
    assert stage.run(stage.line(dueNow=True)).code == 2
    stage.sandbox.clock.advance(3 * DAY)
    vault.firewall = False
    for hours in (0, 20):
        stage.sandbox.clock.advance(hours * 3600)
        assert stage.run().code == 0
        assert stage.sandbox.storage.key_works(stage.made.account_name, held), f"{hours} h after it was let go"
    stage.sandbox.clock.advance(6 * 3600)
    rotated(stage)
    assert not stage.sandbox.storage.key_works(stage.made.account_name, held)


def test_a_shorter_overlap_counts_at_once(storage: Make) -> None:
    stage = storage(settings={"overlap_hours": "720", "remove_old": "replaced"})
    rotated(stage)
    stage.sandbox.clock.advance(3 * DAY)
    stage.sandbox.keeper.edit(stage.at.record_uid, "overlap_hours", "0")
    rotated(stage)


def test_the_former_key_lives_on_for_a_day_where_the_record_says_nothing_of_it(storage: Make) -> None:
    stage = storage(settings={"overlap_hours": ""})
    rotated(stage)
    assert stage.run().result == "not_due"
    assert stage.regenerated() == ["key2"]
    stage.sandbox.clock.advance(DAY - 1800)  # a daily schedule is not punctual
    rotated(stage)


def test_not_due_until_the_threshold(storage: Make) -> None:
    stage = storage(settings={"secret_lifetime_days": "3650", "rotate_before_hours": "24"})
    assert stage.run().result == "not_due"
    assert not stage.regenerated()


def test_a_key_that_was_regenerated_by_hand_is_replaced_at_once(storage: Make) -> None:
    stage = storage(settings={"secret_lifetime_days": "3650", "rotate_before_hours": "24"})
    stage.sandbox.storage.regenerate(stage.made.account, "key1")
    rotated(stage)


# Azure reports no creation time for keys that have not been regenerated since it reports them.
NEVER_REGENERATED: dict[str, dict[str, str]] = {
    "every run rotates": {},
    "a very old key is due": {"rotate_before_hours": "24", "secret_lifetime_days": "3650"},
    "an overlap holds up nothing after two days": {"overlap_hours": "24", "remove_old": "replaced"},
}


@pytest.mark.parametrize("what", NEVER_REGENERATED)
def test_keys_that_were_never_regenerated(what: str, storage: Make) -> None:
    stage = storage(ages_known=False, settings=NEVER_REGENERATED[what])
    assert set(stage.sandbox.storage.creation_times(stage.made.account).values()) == {None}
    rotated(stage)
    assert stage.regenerated() == ["key2"]
    stage.sandbox.clock.advance(2 * DAY)
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_before_hours", "")
    rotated(stage)
    assert stage.value("active_key") == "key1"


@pytest.mark.parametrize("fault", ["kill after", "reset after"])
def test_a_first_regeneration_whose_answer_is_lost_is_noticed(fault: str, storage: Make) -> None:
    stage = storage(ages_known=False)
    stage.sandbox.fault("arm", "regenerate_storage_key", FAULTS[fault])
    if fault in KILLS:
        assert stage.run().code == -9
    rotated(stage)
    assert stage.regenerated() == ["key2"], "once"


def _refused_by_the_firewall(stage: StorageStage) -> None:
    """The account's firewall keeps this host out, whatever the key."""
    stage.made.account.closed = SERVICES


def _no_connection(stage: StorageStage) -> None:
    """No route leads to any endpoint of the account."""
    for service in SERVICES:
        stage.sandbox.fault(service, "connect", faults.Refuse(), times=None)


def _wrong_clock(stage: StorageStage) -> None:
    """This host's clock, which dates what a key signs, is an hour late."""
    stage.sandbox.clock.advance(3600)
    stage.sandbox.blobs.skew_seconds = 900


OUT_OF_REACH = {
    "the account's firewall": (_refused_by_the_firewall, "firewall"),
    "no connection": (_no_connection, "network"),
    "a clock that is an hour late": (_wrong_clock, "clock"),
}


@pytest.mark.parametrize("published", ["key1", None], ids=["a key is published", "first run"])
@pytest.mark.parametrize("what", OUT_OF_REACH)
def test_nothing_is_regenerated_where_no_key_can_be_proved(what: str, published: str | None, storage: Make) -> None:
    stage = storage(published=published)
    happens, word = OUT_OF_REACH[what]
    happens(stage)
    outcome = stage.run()
    assert outcome.code == 1 and word in outcome.report["hint"], outcome
    assert not stage.regenerated()
    assert not stage.value("rotation_state"), "no intent is left"


@pytest.mark.parametrize("service", ["file", "queue", "table"])
def test_an_account_without_blobs_is_proved_by_its_other_services(service: str, storage: Make) -> None:
    stage = storage()
    stage.made.account.services = (service,)
    rotated(stage)
    assert stage.sandbox.operations().count(f"{service}.get_service_properties") > 1


ONLY = [(("blob",), "file"), (("blob", "file", "table"), "queue"), (("blob", "file", "queue"), "table")]


@pytest.mark.parametrize(("without", "asked"), ONLY)
def test_a_key_is_proved_at_a_service_that_admits_keys(without: tuple[str, ...], asked: str, storage: Make) -> None:
    stage = storage()
    stage.made.account.without_keys = without
    rotated(stage)
    assert stage.sandbox.operations().count(f"{asked}.get_service_properties") > 1


def test_services_that_all_admit_no_keys_are_an_account_that_admits_none(storage: Make) -> None:
    stage = storage()
    stage.made.account.without_keys = SERVICES
    outcome = stage.run()
    assert (outcome.code, outcome.report["proved"]) == (0, "listed"), outcome


def test_a_cloud_that_is_behind_is_asked_in_the_older_version(storage: Make) -> None:
    stage = storage()
    stage.sandbox.arm.newest["microsoft.storage"] = "2025-06-01"
    rotated(stage)
    assert stage.sandbox.operations().count("arm.regenerate_storage_key") == 2, "one of them is refused"
    assert len(stage.regenerated()) == 1


def test_an_account_in_which_no_service_can_prove_a_key(storage: Make) -> None:
    stage = storage()
    stage.made.account.services = stage.made.account.without_keys = ("blob",)
    outcome = stage.run()
    assert outcome.code == 1 and "has no endpoint that admits keys" in outcome.report["error"], outcome
    assert not stage.regenerated()


@pytest.mark.parametrize("open_service", ["file", "queue", "table"])
def test_a_key_is_proved_at_the_service_whose_network_lets_this_host_in(open_service: str, storage: Make) -> None:
    stage = storage()
    stage.made.account.closed = tuple(name for name in SERVICES if name != open_service)
    rotated(stage)
    asked = [
        each.service
        for each in stage.sandbox.requests
        if each.operation.startswith("get_") and each.service in SERVICES
    ]
    assert asked == sorted(asked, key=("blob", "file", "queue", "table").index), (
        "once one has answered, the others are asked no more"
    )
    assert asked.count(open_service) > 1


def test_a_service_that_accepts_slowly_accepts(storage: Make) -> None:
    stage = storage()
    stage.sandbox.fault("blob", "get_account_information", faults.Slow(1.3), times=None)
    outcome = stage.run(ROTATION_REQUEST_TIMEOUT_SECONDS="10", ROTATION_DEADLINE_SECONDS="60")
    assert (outcome.code, outcome.result) == (0, "rotated"), outcome


def test_a_service_without_a_route_is_passed_over(storage: Make) -> None:
    stage = storage()
    stage.sandbox.fault("blob", "connect", faults.Refuse(), times=None)
    rotated(stage)
    assert stage.sandbox.operations().count("file.get_service_properties") > 1


def test_a_cloud_that_does_not_tell_which_services_admit_keys(storage: Make) -> None:
    stage = storage()
    stage.sandbox.arm.newest["microsoft.storage"] = "2025-06-01"
    stage.made.account.without_keys = ("blob", "file", "queue")
    rotated(stage)
    assert stage.sandbox.operations().count("table.get_service_properties") > 1


def test_a_table_service_says_not_yet_and_quotes_what_it_was_sent(storage: Make) -> None:
    stage = storage()
    stage.made.account.services = ("table",)
    stage.sandbox.storage.propagation_seconds = 1.0
    for service in stage.sandbox.server.services:
        service.echoes_requests = True
    rotated(stage)
    stage.sandbox.fault("table", "get_service_properties", faults.Status(503), times=None)
    outcome = stage.run(ROTATION_PROVE_TIMEOUT_SECONDS="1")
    assert outcome.code == 1 and "HTTP 503" in outcome.report["error"], outcome
    assert not stage.leaks([outcome])


def test_a_key_that_stays_may_be_young_itself(storage: Make) -> None:
    stage = storage()
    stage.sandbox.storage.propagation_seconds = 0.5
    pasted = stage.sandbox.storage.regenerate(stage.made.account, "key1")
    stage.sandbox.keeper.edit(stage.at.record_uid, "storage_key", pasted)
    rotated(stage)
    assert stage.regenerated() == ["key1", "key2"]


# A value that is cut begins like the key all the same.
NO_KEY: dict[str, Callable[[str], str]] = {
    "cut by four characters": lambda key: key[:-4],
    "another one that begins alike": lambda key: key[:3] + key[:2:-1],
}


@pytest.mark.parametrize("delivers", [False, True])
@pytest.mark.parametrize("what", NO_KEY)
def test_a_value_that_is_neither_key_gives_way_to_the_key_that_the_record_names(
    what: str, delivers: bool, storage: Make
) -> None:
    stage = storage(settings={"secret_lifetime_days": "3650", "rotate_before_hours": "24"})
    if delivers:
        stage.to_key_vault()
    stage.sandbox.keeper.edit(stage.at.record_uid, "storage_key", NO_KEY[what](stage.value("storage_key")))
    assert rotated(stage).report["why"] == ["not the saved one"], "how old either key is Azure says"
    assert stage.regenerated() == [], "the other key may be in use, and the record does not know by whom"
    assert stage.value("active_key") == "key1" and (not delivers or stage.vault_works())


def test_a_record_that_was_put_back_ends_no_key_that_a_destination_holds(storage: Make) -> None:
    """It shows a dead value, knows nothing of the delivery since, and the destination cannot be asked."""
    stage = storage(settings={"overlap_hours": "0"})
    stage.to_key_vault()
    rotated(stage)
    before = copy.deepcopy(stage.stored())
    rotated(stage)
    vault = next(each for each in stage.sandbox.keyvault.vaults.values() if each.name == "storage-vault")
    vault.firewall = True
    assert stage.run(stage.line(dueNow=True)).code == 2
    for part in ("fields", "custom"):
        stage.stored()[part] = before[part]
    assert stage.run().code == 2
    assert stage.works() and stage.vault_works()
    vault.firewall = False
    assert stage.run().code == 0 and stage.works() and stage.vault_works()


@pytest.mark.parametrize("asked", [False, True], ids=["by the schedule", "asked for"])
@pytest.mark.parametrize("broken", [False, True], ids=["served at once", "served later"])
def test_the_other_key_that_a_person_publishes_is_delivered_before_the_former_one_ends(
    broken: bool, asked: bool, storage: Make
) -> None:
    stage = storage()
    stage.to_key_vault()
    rotated(stage)
    keys = stage.sandbox.storage.keys(stage.made.account)
    for label, value in (("active_key", "key1"), ("storage_key", keys["key1"])):
        stage.sandbox.keeper.edit(stage.at.record_uid, label, value)
    if broken:
        stage.sandbox.fault("keyvault", "set_secret", faults.Status(403), times=None)
        assert stage.run(stage.line(dueNow=asked)).code == 2
        assert stage.regenerated() == ["key2"] and stage.works() and stage.vault_works()
        stage.sandbox.faults.clear()
    outcome = stage.run()
    assert (outcome.code, outcome.result, stage.value("active_key")) == (0, "finished", "key1"), outcome
    assert stage.works() and stage.vault_works() and stage.versions()[-1].value == keys["key1"]
    rotated(stage)
    assert stage.value("active_key") == "key2" and stage.vault_works()


def test_a_key_that_a_destination_holds_is_spared_whatever_the_record_says(storage: Make) -> None:
    """What the record holds is neither key, and somebody asks for a new one: the idle one is in use all the same."""
    stage = storage(settings={"rotate_before_hours": "24", "secret_lifetime_days": "3650"})
    stage.to_key_vault()
    assert stage.run(stage.line(dueNow=True)).code == 0
    stage.sandbox.fault("keyvault", "set_secret", faults.Status(403), times=None)
    assert stage.run(stage.line(dueNow=True)).code == 2
    assert stage.regenerated() == ["key2", "key1"] and stage.vault_works()
    stage.sandbox.keeper.edit(stage.at.record_uid, "storage_key", "no-key-at-all")
    outcome = stage.run(stage.line(dueNow=True))
    assert outcome.code == 2 and stage.works() and stage.vault_works(), outcome
    assert stage.regenerated() == ["key2", "key1"], "published as it is"
    stage.sandbox.faults.clear()
    assert stage.run().result == "finished" and stage.works() and stage.vault_works()


def test_a_revoke_that_a_destination_holds_up_is_no_reason_to_publish_nothing(storage: Make) -> None:
    """The key that the record names is regenerated by hand meanwhile, and the other one is held."""
    stage = storage(settings={"rotate_before_hours": "24", "secret_lifetime_days": "3650"})
    stage.to_key_vault()
    assert stage.run().code == 0
    vault = next(each for each in stage.sandbox.keyvault.vaults.values() if each.name == "storage-vault")
    vault.firewall = True
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_now", "revoke")
    assert stage.run().code == 2
    stage.sandbox.storage.regenerate(stage.made.account, stage.value("active_key"))
    assert stage.run().code == 2 and stage.works() and stage.vault_works()
    vault.firewall = False
    assert stage.run().code == 0 and stage.works() and stage.vault_works()


def test_a_value_that_is_spoilt_after_a_rotation_is_not_delivered(storage: Make) -> None:
    stage = storage(settings={"secret_lifetime_days": "3650", "rotate_before_hours": "24"})
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_before_hours", "")
    rotated(stage)
    stage.to_key_vault()
    stage.sandbox.keeper.edit(stage.at.record_uid, "rotate_before_hours", "24")
    stage.sandbox.keeper.edit(stage.at.record_uid, "storage_key", stage.value("storage_key")[:-4])
    rotated(stage)
    assert stage.vault_works()


# A regeneration of unknown outcome


def _in_an_hour(stage: StorageStage) -> Outcome:
    stage.sandbox.clock.advance(3600)
    return stage.run()


@pytest.mark.parametrize("lands", [True, False], ids=["it lands", "it never does"])
def test_a_regeneration_that_may_still_land_is_waited_for(lands: bool, storage: Make) -> None:
    stage = storage()
    late = stage.sandbox.fault("arm", "regenerate_storage_key", faults.Pause())
    assert stage.run().code == 1
    second = stage.run()
    assert second.code == 2 and " UTC" in second.report["hint"], second
    assert stage.works() and not stage.regenerated()
    if lands:
        late.release.set()
        until = monotonic() + patience.seconds(5)
        while not stage.regenerated() and monotonic() < until:
            sleep(0.05)
        assert rotated(stage)
    else:
        assert _in_an_hour(stage).code == 0
    assert stage.regenerated() == ["key2"] and stage.works()
    stage.sandbox.faults.clear()


def test_a_regeneration_that_was_refused_is_asked_for_again_at_once(storage: Make) -> None:
    stage = storage()
    stage.sandbox.fault("arm", "regenerate_storage_key", faults.Status(409))
    assert stage.run().code == 1
    rotated(stage)


@pytest.mark.parametrize("lags", [(0.0, 0.4), (0.4, 0.0), (0.0, 0.0, 0.4)], ids=str)
def test_a_key_is_proved_at_front_ends_that_do_not_agree(lags: tuple[float, ...], storage: Make) -> None:
    """One connection meets the same front end again and again, and proves nothing of the others."""
    stage = storage()
    stage.sandbox.storage.front_end_lags = lags
    rotated(stage)
    at = {request.operation: request.at for request in stage.sandbox.requests}
    assert at["update_secret"] - at["regenerate_storage_key"] > 0.4, "saved when every front end knew it"


def test_an_account_that_admits_no_keys_is_proved_by_the_listing(storage: Make) -> None:
    stage = storage(allow_shared_key=False)
    outcome = stage.run()
    assert (outcome.code, outcome.report["proved"]) == (0, "listed"), outcome
    (warning,) = outcome.report["warnings"]
    assert "allowSharedKeyAccess" in warning and "Graph" not in warning


def test_a_new_key_is_waited_for(storage: Make) -> None:
    stage = storage()
    stage.sandbox.storage.propagation_seconds = 0.5
    rotated(stage)


def test_key_vault_gets_the_key_with_the_tags_of_microsofts_samples(storage: Make) -> None:
    stage = storage()
    stage.to_key_vault()
    rotated(stage)
    version = stage.sandbox.keyvault.versions("storage-vault", "storage-key")[-1]
    assert version.value == stage.value("storage_key")
    assert version.tags["CredentialId"] == "key2"
    assert version.tags["ProviderAddress"] == stage.made.account_id
    assert version.tags["ValidityPeriodDays"] == "365"
    assert version.exp


def _every_other_day(stage: StorageStage) -> None:
    """The next run gives ``key1``, whose overlap is over, a new value to publish."""
    stage.sandbox.keeper.edit(stage.at.record_uid, "overlap_hours", "24")
    stage.sandbox.keeper.edit(stage.at.record_uid, "remove_old", "replaced")
    rotated(stage)


def _killed_before_the_former_key_ends(stage: StorageStage) -> None:
    """The next run gives ``key1``, which is overdue, a new value to publish."""
    stage.sandbox.keeper.edit(stage.at.record_uid, "remove_old", "all")
    stage.sandbox.fault("arm", "regenerate_storage_key", faults.KillBefore(), nth=2)
    assert stage.run().code == -9


ENDED_AND_PUBLISHED = {
    "overlap_hours of a day, a run every other day": _every_other_day,
    "killed before the former key was ended": _killed_before_the_former_key_ends,
}


@pytest.mark.parametrize("what", ENDED_AND_PUBLISHED)
def test_a_key_that_one_run_ends_and_publishes_stays_enabled_in_key_vault(what: str, storage: Make) -> None:
    stage = storage()
    stage.to_key_vault()
    ENDED_AND_PUBLISHED[what](stage)
    for _ in range(3):
        stage.sandbox.clock.advance(2 * DAY)
        rotated(stage)
        assert stage.vault_works(), "the version that was delivered is enabled"
    *former, _, _ = stage.enabled()
    assert not any(former[1:]), "older ones are disabled, but for one that is not ours"


def test_a_key_that_another_host_publishes_meanwhile_stays_enabled_in_key_vault(storage: Make) -> None:
    stage = storage(settings={"remove_old": "all"})
    stage.to_key_vault()
    process, fault = held(stage, "keyvault.list_versions", 1, faults.Pause())
    other = stage.run(ROTATION_LOCK_DIR=str(stage.home / "other-host"))
    assert (other.code, stage.value("active_key")) == (0, "key1"), other
    fault.release.set()
    first = stage.finish(process)
    assert first.code == 0, first
    assert stage.works() and stage.vault_works()


def test_a_version_of_ours_that_is_disabled_is_replaced(storage: Make) -> None:
    stage = storage()
    stage.to_key_vault()
    (first,) = stage.versions()
    first.tags, first.content_type = {"team": "orders"}, "a key"
    stage.sandbox.clock.advance(DAY)
    rotated(stage)
    stage.versions()[-1].enabled = False
    stage.sandbox.clock.advance(DAY)
    rotated(stage)
    last = stage.versions()[-1]
    assert stage.enabled() == [True, False, True] and stage.vault_works()
    assert (last.tags["team"], last.content_type) == ("orders", "a key")


@pytest.mark.parametrize("ages_known", [True, False], ids=["young keys", "keys of unknown age"])
def test_a_version_of_another_record_that_is_disabled_is_left_alone(ages_known: bool, storage: Make) -> None:
    stage = storage(ages_known=ages_known)
    stage.to_key_vault()
    (first,) = stage.versions()
    first.tags, first.enabled = {"keeper-record": "another", "keeper-key-id": "key1"}, False
    outcome = stage.run()
    assert outcome.code == 1 and "enable it" in outcome.report["hint"], outcome
    assert not stage.regenerated()
    assert outcome.report["expires"] >= stamp(datetime.fromtimestamp(stage.sandbox.clock.now(), UTC))


def test_a_key_that_a_destination_still_holds_is_not_regenerated(storage: Make) -> None:
    stage = storage(settings={"secret_lifetime_days": "1"})
    stage.to_key_vault()
    rotated(stage)
    held = stage.value("storage_key")
    stage.sandbox.fault("keyvault", "set_secret", faults.Status(403), times=None)
    assert stage.run().code == 2
    assert stage.vault_works() and stage.works()
    stage.sandbox.clock.advance(0.5 * DAY)  # so near its end that open deliveries are not finished first
    for _ in range(2):
        assert stage.run().code == 2
        assert stage.sandbox.storage.key_works(stage.made.account_name, held), "what the vault holds lives"
        assert stage.works()
    stage.sandbox.faults.clear()
    stage.run()
    assert stage.run().code == 0
    assert stage.vault_works() and stage.works()


def test_logic_apps_connection_gets_the_access_key(storage: Make) -> None:
    stage = storage()
    values = {"accountName": stage.made.account_name, "accessKey": stage.value("storage_key")}
    connection = stage.sandbox.connections.add_connection("blobs", "azureblob", values)
    stage.sandbox.arm.grant(stage.at.admin_client_id, "Logic App Contributor", connection.id)
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", connection.id)
    rotated(stage)
    assert stage.sandbox.connections.find(connection.id).values["accessKey"] == stage.value("storage_key")
    assert stage.sandbox.connections.works(connection.id)


def test_another_keeper_record(storage: Make) -> None:
    stage = storage()
    uid = stage.consumer("key")
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", f"keeper:{uid}#key")
    rotated(stage)
    assert stage.sandbox.keeper.record(uid).value("key") == stage.value("storage_key")


def test_a_target_that_is_no_account(storage: Make) -> None:
    stage = storage()
    stage.sandbox.keeper.edit(stage.at.record_uid, "storage_account_id", "ordersdata")
    outcome = stage.run()
    assert outcome.code == 1 and "is not a storage account" in outcome.report["error"]


def test_an_account_that_is_not_there(storage: Make) -> None:
    stage = storage()
    stage.sandbox.arm.grant(stage.at.admin_client_id, "Reader")
    stage.sandbox.keeper.edit(stage.at.record_uid, "storage_account_id", stage.made.account_id + "x")
    outcome = stage.run()
    assert outcome.code == 1 and "there is no storage account" in outcome.report["error"]


def test_no_role(storage: Make) -> None:
    stage = storage(granted=False)
    outcome = stage.run()
    assert outcome.code == 1 and "Storage Account Key Operator" in outcome.report["hint"]


def test_a_service_connection_takes_no_storage_key(storage: Make) -> None:
    stage = storage()
    address = "https://dev.azure.com/contoso/p/_settings/adminservices?resourceId=00000000-0000-0000-0000-000000000001"
    stage.sandbox.keeper.edit(stage.at.record_uid, "deliver_to", address)
    outcome = stage.run()
    assert outcome.code == 1 and "takes client secrets only" in outcome.report["error"]
    assert not stage.regenerated()


# Two hosts


def held(stage: StorageStage, operation: str, nth: int, kind: faults.Kind) -> tuple[Any, faults.Fault]:
    service, name = operation.split(".")
    fault = stage.sandbox.fault(service, name, kind, nth=nth)
    process = stage.start(
        script=SCRIPT, ROTATION_REQUEST_TIMEOUT_SECONDS="10", ROTATION_DEADLINE_SECONDS="30"
    )  # fmt: skip
    assert fault.reached.wait(patience.seconds(10))
    return process, fault


def requests() -> dict[str, int]:
    """The requests of an undisturbed rotation that delivers to Key Vault, and how often each was made."""
    with StorageStage() as stage:
        assert isinstance(stage, StorageStage)
        stage.to_key_vault()
        assert stage.run().code == 0
        return counted(each for each in stage.sandbox.operations() if not each.endswith("unknown"))


REQUESTS = known("storage key")
HELD = deep_unless(lambda operation, nth: changes(operation) and nth == 1, REQUESTS)


@pytest.mark.parametrize("kind", [faults.Pause(), faults.PauseAfter()], ids=["before", "after"])
@pytest.mark.parametrize(("operation", "nth"), HELD)
def test_two_hosts(operation: str, nth: int, kind: faults.Kind, storage: Make) -> None:
    stage = storage()
    stage.to_key_vault()
    process, fault = held(stage, operation, nth, kind)
    other = stage.run(ROTATION_LOCK_DIR=str(stage.home / "other-host"))
    assert stage.works() and stage.vault_works(), (other, "while the first run was held")
    fault.release.set()
    first = stage.finish(process)
    assert other.code in (0, 2), other
    assert first.code in (0, 1, 2, 3), first
    assert stage.works() and stage.vault_works(), (first, other)
    stage.sandbox.clock.advance(3600)
    last = stage.run()
    assert last.code == 0, (first, other, last)
    assert stage.works() and stage.vault_works()


# Every request, every fault


WORST = (
    "kill before",
    "kill after",
    "reset after",
    "hang after it took effect",
    "429 after it took effect",
    "HTTP 503",
)


CASES = [(*each, fault) for each in REQUESTS for fault in WORST if fault == "kill after" or changes(each[0])]


def is_quick(operation: str, nth: int, fault: str) -> bool:
    """A kill and a lost answer at each change."""
    return changes(operation) and fault in ("kill after", "reset after")


@pytest.mark.parametrize(("operation", "nth", "fault"), deep_unless(is_quick, CASES))
def test_no_dead_key_is_published_and_none_is_regenerated_twice(
    operation: str, nth: int, fault: str, storage: Make
) -> None:
    stage = storage()
    stage.to_key_vault()
    service, name = operation.split(".")
    put = stage.sandbox.fault(service, name, FAULTS[fault], nth=nth)
    published = [stage.value("active_key")]
    first = stage.run()
    published.append(stage.value("active_key"))
    assert put.fired
    assert stage.works() and stage.vault_works(), first
    assert first.code == -9 if fault in KILLS else first.code in (0, 1, 2, 3), first
    if first.code == 0:
        assert stage.sandbox.keyvault.value("storage-vault", "storage-key") == stage.value("storage_key")
        assert published[0] != published[1]
    stage.sandbox.faults.clear()
    second = stage.run()
    if second.code == 2 and "may still regenerate" in second.report["error"]:
        second = _in_an_hour(stage)
    published.append(stage.value("active_key"))
    assert second.code == 0, (first, second)
    assert stage.works()
    assert stage.sandbox.keyvault.value("storage-vault", "storage-key") == stage.value("storage_key")
    changes = sum(one != other for one, other in pairwise(published))
    assert len(stage.regenerated()) == changes, (first, second)
    assert not stage.leaks([first, second])
