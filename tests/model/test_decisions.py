"""What a rotation decides: which credential is what, what is due, what may go, and when. Nobody is asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.errors import Failed
from gateway.model import decisions
from gateway.model.credential import GRACE, LiveCredential, Marker
from gateway.model.decisions import Inventory, Knowledge
from gateway.model.ledger import Entry, Ledger
from gateway.model.policy import Policy, read_policy
from gateway.secret import Secret

NOW = datetime(2026, 8, 1, 12, 0, tzinfo=UTC)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
ALIVE, OVER = NOW + HOUR, NOW - HOUR
VALUE = Secret("abc~the published value")


def known(**changes: Any) -> Knowledge:
    """The record "ours" publishes "published", as its ledger says; no other record has anything to do with it."""
    usual: dict[str, Any] = {
        "record_uid": "ours", "lock_id": "here", "key_id": "published", "value": VALUE,
        "ledger": Ledger(key_id="published"), "published_by_others": {}, "now": NOW, "replicas_agree": True,
    }  # fmt: skip
    return Knowledge(**usual | changes)


def policy(**changes: Any) -> Policy:
    """That of a record in which no field is filled in: every run rotates, everything old goes at once."""
    return replace(read_policy(lambda label: ""), **changes)


def one(key_id: str, name: str = "", **changes: Any) -> LiveCredential:
    """A credential that lives for another 30 days, and whose hint is not that of the published value."""
    return LiveCredential(key_id, name, **{"hint": "xyz", "ends": NOW + 30 * DAY, **changes})


def marker(record: str, lock: str, deadline: datetime) -> str:
    """The name that a run gave to what it made."""
    return str(Marker(record, lock, "run", deadline))


PUBLISHED = one("published", hint="abc")
PROTECTED = one("protected", marker("theirs", "here", OVER))
FORMER, OLDER = one("former"), one("older")
ORPHAN = one("orphan", marker("ours", "here", OVER))
YOUNG = one("young", marker("theirs", "there", ALIVE))
OTHER = one("other", marker("theirs", "there", OVER))
FOREIGN = one("foreign", "made in the portal")


def groups(**changes: Any) -> Inventory:
    """Only what is named."""
    return replace(decisions.sort((), known()), **changes)


ONE_OF_EACH = groups(
    published=PUBLISHED, protected=(PROTECTED,), former=(FORMER,), orphans=(ORPHAN,), young=(YOUNG,), others=(OTHER,),
    foreign=(FOREIGN,),
)  # fmt: skip


def remembers(**entries: datetime | None) -> Ledger:
    """A ledger with what the record once published, and when each is to go."""
    return Ledger(key_id="published", entries={key: Entry(after, True) for key, after in entries.items()})


# What is what: a credential, what is known, and its group

GROUPS: dict[str, tuple[LiveCredential, Knowledge, str]] = {
    "the key id in the record is published": (one("published"), known(), "published"),
    "it is published also where another record publishes it, too": (
        one("published"), known(published_by_others={"published": "theirs"}), "published",
    ),
    "it is published also where the ledger is to remove it": (
        one("published"), known(ledger=remembers(published=OVER)), "published",
    ),
    "what another record publishes is protected": (
        one("k", marker("theirs", "there", OVER)), known(published_by_others={"k": "theirs"}), "protected",
    ),
    "it is protected also where this record published it before": (
        one("k"), known(published_by_others={"k": "theirs"}, ledger=remembers(k=OVER)), "protected",
    ),
    "it is protected also where its name says that a dead run of this record made it": (
        one("k", marker("ours", "here", OVER)), known(published_by_others={"k": "theirs"}), "protected",
    ),
    "what the record published before is former": (one("k"), known(ledger=remembers(k=None)), "former"),
    "it is former also where it has a date": (one("k"), known(ledger=remembers(k=ALIVE)), "former"),
    "it is former whatever its name says": (
        one("k", marker("ours", "here", OVER)), known(ledger=remembers(k=None)), "former",
    ),
    "what the ledger calls published is former where the record names another one": (
        one("k"), known(ledger=Ledger(key_id="k")), "former",
    ),
    "what the ledger dates and the record never published goes by its name": (
        one("k"), known(ledger=Ledger(entries={"k": Entry(OVER, False)})), "foreign",
    ),
    "without a name it is somebody else's": (one("k", ""), known(), "foreign"),
    "with any other name it is somebody else's": (one("k", "keeper"), known(), "foreign"),
    "a marker with a part missing is none": (one("k", "keeper:ours:here:1"), known(), "foreign"),
    "a marker without a number is none": (one("k", "keeper:ours:here:run:soon"), known(), "foreign"),
    "a marker with another beginning is none": (one("k", "Keeper:ours:here:run:1"), known(), "foreign"),
    "made for this record under this lock: that run is over, however young": (
        one("k", marker("ours", "here", ALIVE)), known(), "orphans",
    ),
    "made for this record by another host that may be at work": (
        one("k", marker("ours", "there", ALIVE)), known(), "young",
    ),
    "made for another record under this lock, which is not ours to judge": (
        one("k", marker("theirs", "here", ALIVE)), known(), "young",
    ),
    "made by another host whose clock may be as slow as the grace": (
        one("k", marker("ours", "there", NOW - GRACE)), known(), "young",
    ),
    "made by another host whose run is over, and the grace too": (
        one("k", marker("ours", "there", NOW - GRACE - SECOND)), known(), "orphans",
    ),
    "made for another record by a run that may be at work": (
        one("k", marker("theirs", "there", NOW - GRACE)), known(), "young",
    ),
    "made for another record by a run that is over": (
        one("k", marker("theirs", "there", NOW - GRACE - SECOND)), known(), "others",
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", GROUPS)
def test_group(sentence: str) -> None:
    credential, about, group = GROUPS[sentence]
    expected = {"published": credential} if group == "published" else {group: (credential,)}
    assert decisions.sort([credential], about) == groups(**expected)


def test_each_credential_is_in_one_group_in_the_order_of_the_listing() -> None:
    about = known(ledger=remembers(former=None, older=None), published_by_others={"protected": "theirs"})
    listing = [FOREIGN, OLDER, OTHER, YOUNG, ORPHAN, FORMER, PROTECTED, PUBLISHED]
    found = decisions.sort(iter(listing), about)
    assert found == replace(ONE_OF_EACH, former=(OLDER, FORMER))
    assert found.all() == [PUBLISHED, PROTECTED, OLDER, FORMER, ORPHAN, YOUNG, OTHER, FOREIGN]
    assert decisions.sort([], about) == groups() and groups().all() == []


# Where the record names no live key id, what fits its value may be all that works
ADRIFT: dict[str, tuple[LiveCredential, Knowledge, str]] = {
    "an orphan that fits the value of the record is kept": (replace(ORPHAN, hint="abc"), known(), "former"),
    "an orphan that does not fit it goes": (ORPHAN, known(), "orphans"),
    "an orphan without a hint goes": (replace(ORPHAN, hint=""), known(), "orphans"),
    "no hint fits a record without a value": (replace(ORPHAN, hint=""), known(value=Secret("")), "orphans"),
    "what may be another run's stays so": (replace(YOUNG, hint="abc"), known(), "young"),
    "what is another record's stays so": (replace(OTHER, hint="abc"), known(), "others"),
    "what is somebody else's stays so": (replace(FOREIGN, hint="abc"), known(), "foreign"),
}


@pytest.mark.parametrize("sentence", ADRIFT)
def test_without_a_live_key_id_in_the_record(sentence: str) -> None:
    credential, about, group = ADRIFT[sentence]
    assert decisions.sort([credential], about) == groups(**{group: (credential,)})


def test_an_orphan_that_fits_goes_where_the_published_one_is_live() -> None:
    orphan = replace(ORPHAN, hint="abc")
    assert decisions.sort([orphan, PUBLISHED], known()).orphans == (orphan,)


# Which one is the newest


def test_the_newest_is_the_one_that_was_made_last() -> None:
    early, late = one("early", made=OVER), one("late", made=NOW)
    assert decisions.newest([early, late, FOREIGN]) == decisions.newest([late, FOREIGN, early]) == late
    assert decisions.newest([FOREIGN, early]) == early, "one that tells when counts before one that does not"
    assert decisions.newest([FOREIGN, OTHER]) == FOREIGN
    with pytest.raises(ValueError, match="empty"):
        decisions.newest([])


# Whether to rotate: what is published, rotate_before, due or not

DUE: dict[str, tuple[LiveCredential | None, timedelta | None, bool]] = {
    "every run rotates where the record names no time": (PUBLISHED, None, True),
    "without a published one it is due": (None, DAY, True),
    "far from its end it is not": (PUBLISHED, DAY, False),
    "as far from its end as it may be, it is not yet": (replace(PUBLISHED, ends=NOW + DAY), DAY, False),
    "a second nearer it is": (replace(PUBLISHED, ends=NOW + DAY - SECOND), DAY, True),
    "past its end it is": (replace(PUBLISHED, ends=OVER), DAY, True),
    "with 0 hours it is due once it is past": (replace(PUBLISHED, ends=NOW - SECOND), timedelta(), True),
    "with 0 hours it is not due before": (replace(PUBLISHED, ends=NOW), timedelta(), False),
    "a value that is not the published one is due": (replace(PUBLISHED, hint="abd"), DAY, True),
    "a service that shows no hint is believed": (replace(PUBLISHED, hint=""), DAY, False),
}


@pytest.mark.parametrize("sentence", DUE)
def test_is_due(sentence: str) -> None:
    published, before, due = DUE[sentence]
    assert decisions.is_due(published, known(), policy(rotate_before=before)) is due


# Whether open deliveries can be finished with what is published: it, rotate_before, at any time, can or cannot

CAN_FINISH: dict[str, tuple[LiveCredential | None, timedelta | None, bool, bool]] = {
    "nothing is published": (None, DAY, True, False),
    "it lives long": (PUBLISHED, None, False, True),
    "the record's value is another one": (replace(PUBLISHED, hint="abd"), None, True, False),
    "the service shows no hint": (replace(PUBLISHED, hint=""), None, False, True),
    "it has a day left, and the record names no time": (replace(PUBLISHED, ends=NOW + DAY), None, False, True),
    "it has less than a day left": (replace(PUBLISHED, ends=NOW + DAY - SECOND), None, False, False),
    "it has as long left as the record asks for": (replace(PUBLISHED, ends=NOW + 2 * HOUR), 2 * HOUR, False, True),
    "it has less left than the record asks for": (replace(PUBLISHED, ends=NOW + 2 * DAY), 3 * DAY, False, False),
    "it has little left, and the kind finishes first": (replace(PUBLISHED, ends=NOW + SECOND), 3 * DAY, True, True),
}


@pytest.mark.parametrize("sentence", CAN_FINISH)
def test_can_finish(sentence: str) -> None:
    published, before, at_any_time, can = CAN_FINISH[sentence]
    about = policy(rotate_before=before)
    assert decisions.can_finish(published, known(), about, at_any_time=at_any_time) is can


# Whether a new one is needed so much that a broken destination must not hold it up

PRESSING: dict[str, tuple[LiveCredential | None, Knowledge, bool]] = {
    "it lives for a day": (replace(PUBLISHED, ends=NOW + DAY), known(), False),
    "it lives for less than a day": (replace(PUBLISHED, ends=NOW + DAY - SECOND), known(), True),
    "it is dead": (replace(PUBLISHED, ends=OVER), known(), True),
    "what we published is gone": (None, known(), True),
    "the record publishes nothing yet": (None, known(key_id="", ledger=Ledger()), False),
    "the record names one that we never published": (None, known(key_id="typed by hand"), False),
}


@pytest.mark.parametrize("sentence", PRESSING)
def test_is_pressing(sentence: str) -> None:
    published, about, pressing = PRESSING[sentence]
    assert decisions.is_pressing(groups(published=published), about) is pressing


# What the policy lets go: the groups, remove_old, what is known, the key ids with whether this record published them

OURS = {"former": True, "published": True}
UNSETTLED = known(replicas_agree=False, ledger=remembers(unseen=None))
MAY_GO: dict[str, tuple[Inventory, str, Knowledge, dict[str, bool]]] = {
    "all: also what is somebody else's; never what another run or record may need": (
        ONE_OF_EACH, "all", known(), OURS | {"foreign": False, "other": False},
    ),
    "replaced: what this record publishes and published": (ONE_OF_EACH, "replaced", known(), OURS),
    "none: the same, to be remembered": (ONE_OF_EACH, "none", known(), OURS),
    "nothing is published": (groups(former=(FORMER,)), "replaced", known(), {"former": True}),
    "a copied record: what the other one publishes stays": (
        ONE_OF_EACH, "all", known(published_by_others={"published": "theirs", "foreign": "theirs"}),
        {"former": True, "other": False},
    ),
    "a listing that may lag: what the record published last is gone or not shown yet": (
        groups(), "replaced", known(replicas_agree=False), {"published": True},
    ),
    "a listing that may lag: what is remembered is gone or not shown yet": (
        groups(published=PUBLISHED), "none", UNSETTLED, {"published": True, "unseen": True},
    ),
    "a listing that is complete: what it lacks is gone": (
        groups(published=PUBLISHED), "replaced", replace(UNSETTLED, replicas_agree=True), {"published": True},
    ),
    "a listing that may lag: what waits for its date": (
        groups(), "replaced", known(replicas_agree=False, ledger=remembers(unseen=NOW + SECOND)),
        {"published": True, "unseen": True},
    ),
    "a listing that may lag: what a run was told to remove is not expected": (
        groups(), "replaced", known(replicas_agree=False, ledger=remembers(unseen=NOW)), {"published": True},
    ),
    "a listing that may lag: what this record never published is not expected": (
        groups(), "all", known(replicas_agree=False, ledger=Ledger(entries={"unseen": Entry(None, False)})), {},
    ),
    "a listing that may lag: what it shows in another group stays there": (
        groups(young=(one("unseen"),)), "all", UNSETTLED, {"published": True},
    ),
    "a listing that may lag: what another record publishes stays": (
        groups(), "all", replace(UNSETTLED, published_by_others={"unseen": "theirs"}), {"published": True},
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", MAY_GO)
def test_may_go(sentence: str) -> None:
    sorted_, remove_old, about, expected = MAY_GO[sentence]
    assert decisions.may_go(sorted_, policy(remove_old=remove_old), about) == expected


# What only a later listing shows: the listing, the groups of the first, the late orphans

LATE: dict[str, tuple[list[LiveCredential], Inventory, list[str]]] = {
    "an orphan of this host that was not shown before": ([PUBLISHED, ORPHAN], groups(published=PUBLISHED), ["orphan"]),
    "one that was shown before, in whatever group": ([PUBLISHED, ORPHAN], groups(former=(ORPHAN,)), []),
    "the new one itself": ([PUBLISHED, one("new", marker("ours", "here", ALIVE))], groups(), []),
    "what is another run's, record's or somebody else's": ([PUBLISHED, YOUNG, OTHER, FOREIGN], groups(), []),
    "one that fits the record's value, whose key id is not shown": ([replace(ORPHAN, hint="abc")], groups(), []),
}


@pytest.mark.parametrize("sentence", LATE)
def test_late_orphans(sentence: str) -> None:
    listing, seen, expected = LATE[sentence]
    assert decisions.late_orphans(listing, seen, known(), "new") == expected


# What is to go, and when: remove_old and overlap, the ledger, the entries

TWO = groups(published=PUBLISHED, former=(FORMER,))
RETIRED: dict[str, tuple[Inventory, dict[str, Any], Ledger, dict[str, Entry]]] = {
    "at once": (TWO, {}, Ledger(), {"former": Entry(NOW, True), "published": Entry(NOW, True)}),
    "after the overlap": (
        groups(published=PUBLISHED), {"overlap": DAY}, Ledger(), {"published": Entry(NOW + DAY, True)},
    ),
    "on the date that was set, where it is the earlier one": (
        TWO, {"overlap": DAY}, remembers(former=NOW + HOUR),
        {"former": Entry(NOW + HOUR, True), "published": Entry(NOW + DAY, True)},
    ),
    "by today's overlap, where the date that was set is the later one": (
        TWO, {"overlap": HOUR}, remembers(former=NOW + DAY),
        {"former": Entry(NOW + HOUR, True), "published": Entry(NOW + HOUR, True)},
    ),
    "by today's overlap, where it was only remembered": (
        groups(former=(FORMER,)), {"overlap": HOUR}, remembers(former=None), {"former": Entry(NOW + HOUR, True)},
    ),
    "with none, it is only remembered": (
        TWO, {"remove_old": "none", "overlap": DAY}, remembers(former=OVER),
        {"former": Entry(None, True), "published": Entry(None, True)},
    ),
    "with all, what is somebody else's too, as such": (
        groups(foreign=(FOREIGN,)), {"overlap": DAY}, Ledger(), {"foreign": Entry(NOW + DAY, False)},
    ),
    "with replaced, nothing of somebody else's": (groups(foreign=(FOREIGN,)), {"remove_old": "replaced"}, Ledger(), {}),
    "nothing that a run may be about to publish": (groups(young=(YOUNG,), orphans=(ORPHAN,)), {}, Ledger(), {}),
    "nothing that is gone": (groups(former=(one("gone"),), foreign=(one("new"),)), {}, Ledger(), {}),
}  # fmt: skip


@pytest.mark.parametrize("sentence", RETIRED)
def test_retirements(sentence: str) -> None:
    sorted_, wishes, ledger, expected = RETIRED[sentence]
    entries = decisions.retirements(sorted_, policy(**wishes), known(ledger=ledger), {"gone", "new"})
    assert entries == expected


def test_what_goes_at_once_and_what_waits() -> None:
    dated = {"long ago": OVER, "now": NOW, "soon": NOW + SECOND, "later": ALIVE}
    entries = {key: Entry(after, True) for key, after in dated.items()} | {"remembered": Entry(None, True)}
    assert decisions.split_by_time(entries, NOW) == (["long ago", "now"], ["soon", "later"])
    assert decisions.split_by_time({}, NOW) == ([], [])


# What is overdue: the groups, remove_old, what is known, the key ids

OLD = groups(published=PUBLISHED, former=(FORMER, OLDER))
MADE = groups(published=PUBLISHED, former=(replace(FORMER, made=OVER),))
NOT_OURS = known(ledger=Ledger(entries={"foreign": Entry(OVER, False)}))
OVERDUE: dict[str, tuple[Inventory, str, Knowledge, list[str]]] = {
    "its time has come": (OLD, "replaced", known(ledger=remembers(former=OVER, older=OVER)), ["former", "older"]),
    "its time comes now": (OLD, "replaced", known(ledger=remembers(former=NOW)), ["former"]),
    "its time is still to come": (OLD, "replaced", known(ledger=remembers(former=NOW + SECOND)), []),
    "it is only remembered": (OLD, "all", known(ledger=remembers(former=None)), []),
    "today's policy removes nothing": (OLD, "none", known(ledger=remembers(former=OVER)), []),
    "it is gone": (OLD, "all", known(ledger=remembers(gone=OVER)), []),
    "it is gone, or the listing lags": (OLD, "all", known(replicas_agree=False, ledger=remembers(gone=OVER)), []),
    "the record publishes it again": (OLD, "all", known(ledger=remembers(published=OVER)), []),
    "another record publishes it": (
        OLD, "all", known(ledger=remembers(former=OVER), published_by_others={"former": "theirs"}), [],
    ),
    "somebody else's, with all": (groups(published=PUBLISHED, foreign=(FOREIGN,)), "all", NOT_OURS, ["foreign"]),
    "somebody else's, with replaced": (groups(published=PUBLISHED, foreign=(FOREIGN,)), "replaced", NOT_OURS, []),
    "it was regenerated since, and lives on under its name": (
        MADE, "all", known(ledger=remembers(former=OVER - SECOND)), [],
    ),
    "it was made on the date itself": (MADE, "all", known(ledger=remembers(former=OVER)), ["former"]),
}  # fmt: skip


@pytest.mark.parametrize("sentence", OVERDUE)
def test_overdue(sentence: str) -> None:
    sorted_, remove_old, about, expected = OVERDUE[sentence]
    assert decisions.overdue(sorted_, policy(remove_old=remove_old), about) == expected


# What goes first where the target is full: the groups, the policy, what destinations hold, the key id or None

DEAD = replace(FOREIGN, key_id="dead", ends=NOW)
REPLACED, PROMISED = {"remove_old": "replaced"}, {"overlap": HOUR}
FREED: dict[str, tuple[Inventory, dict[str, Any], set[str], str | None]] = {
    "all, at once: what this record published before goes first": (ONE_OF_EACH, {}, set(), "former"),
    "then what another record's dead run left": (replace(ONE_OF_EACH, former=()), {}, set(), "other"),
    "then somebody else's": (replace(ONE_OF_EACH, former=(), others=()), {}, set(), "foreign"),
    "never what is published, protected, an orphan or young": (
        replace(ONE_OF_EACH, former=(), others=(), foreign=()), {}, set(), None,
    ),
    "one that is dead goes before one that works": (replace(ONE_OF_EACH, foreign=(FOREIGN, DEAD)), {}, set(), "dead"),
    "one that is dead goes whatever the policy says": (
        groups(published=PUBLISHED, foreign=(FOREIGN, DEAD)), {"remove_old": "none", **PROMISED}, set(), "dead",
    ),
    "one that is nearly dead is not dead": (
        groups(published=PUBLISHED, foreign=(replace(DEAD, ends=NOW + SECOND),)), REPLACED, set(), None,
    ),
    "not one that a destination holds": (replace(ONE_OF_EACH, others=()), {}, {"former"}, "foreign"),
    "not one that a destination holds, be it dead": (groups(published=PUBLISHED, foreign=(DEAD,)), {}, {"dead"}, None),
    "a destination that holds an earlier value of it holds another one": (
        groups(published=PUBLISHED, former=(replace(FORMER, made=NOW),)), {}, {"former@" + OVER.isoformat()}, "former",
    ),
    "a destination that holds this very value of it": (
        groups(published=PUBLISHED, former=(replace(FORMER, made=NOW),)), {}, {"former@" + NOW.isoformat()}, None,
    ),
    "replaced: nothing that works goes early": (ONE_OF_EACH, REPLACED, set(), None),
    "an overlap was promised": (ONE_OF_EACH, PROMISED, set(), None),
    "without a published one, another may be all that works": (replace(ONE_OF_EACH, published=None), {}, set(), None),
    "with a dead published one, too": (
        replace(ONE_OF_EACH, published=replace(PUBLISHED, ends=NOW)), {}, set(), None,
    ),
    "with a published one that still works": (
        replace(ONE_OF_EACH, published=replace(PUBLISHED, ends=NOW + SECOND)), {}, set(), "former",
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", FREED)
def test_to_free(sentence: str) -> None:
    sorted_, wishes, held, expected = FREED[sentence]
    if expected is None:
        with pytest.raises(Failed, match="none of them may go: "):
            decisions.to_free(sorted_, policy(**wishes), known(), held)
    else:
        assert decisions.to_free(sorted_, policy(**wishes), known(), held) == expected


def test_what_is_full_names_all() -> None:
    with pytest.raises(Failed) as caught:
        decisions.to_free(ONE_OF_EACH, policy(**REPLACED), known(), ())
    assert caught.value.message == (
        "the app already has as many client secrets as its audience allows, and none of them may go: "
        "published, protected, former, orphan, young, other, foreign"
    )


# From when on it works again: the end of the former one, the ledger, the moment in the hint

FREE_AGAIN: dict[str, tuple[datetime, Ledger, str]] = {
    "when one of them ends": (NOW + DAY, Ledger(), "2026-08-02 12:00"),
    "when a date of the ledger comes": (NOW + DAY, remembers(former=NOW + HOUR, older=None), "2026-08-01 13:00"),
    "a date that is over does not count, nor one that is now": (
        NOW + DAY,
        remembers(former=OVER, older=NOW),
        "2026-08-02 12:00",
    ),
    "without a date to come, at any time": (OVER, Ledger(), "2026-08-01 12:00"),
}


@pytest.mark.parametrize("sentence", FREE_AGAIN)
def test_what_is_full_says_from_when_on_it_works(sentence: str) -> None:
    ends, ledger, moment = FREE_AGAIN[sentence]
    former = replace(FORMER, ends=ends)
    with pytest.raises(Failed) as caught:
        decisions.to_free(groups(former=(former,)), policy(), known(ledger=ledger), {"former"})
    assert f"it will work again from {moment} UTC" in caught.value.hint
