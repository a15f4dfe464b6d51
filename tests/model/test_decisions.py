"""What a rotation decides: which credential is what, what is due, what may go, and when. Nobody is asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.errors import Failed
from gateway.model import decisions
from gateway.model.credential import GRACE, LiveCredential, Marker
from gateway.model.decisions import LAG, Inventory, Knowledge, OwnRuns
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
        "ledger": Ledger(key_id="published"), "needed_by_others": {}, "now": NOW, "last_rotated": NOW - DAY,
        "runs": OwnRuns(frozenset({"run"}), frozenset({"run"})),
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
STRAY = one("stray", marker("ours", "there", OVER))
NOBODYS = OwnRuns(frozenset(), frozenset())
YOUNG = one("young", marker("theirs", "there", ALIVE))
OTHER = one("other", marker("theirs", "there", OVER))
FOREIGN = one("foreign", "made in the portal")


def groups(**changes: Any) -> Inventory:
    """Only what is named."""
    return replace(decisions.sort((), known()), **changes)


ONE_OF_EACH = groups(
    published=PUBLISHED, protected=(PROTECTED,), former=(FORMER,), orphans=(ORPHAN,), strays=(STRAY,), young=(YOUNG,),
    others=(OTHER,), foreign=(FOREIGN,),
)  # fmt: skip


def remembers(**entries: datetime | None) -> Ledger:
    """A ledger with what the record once published, and when each is to go."""
    return Ledger(key_id="published", entries={key: Entry(after, True) for key, after in entries.items()})


# What is what: a credential, what is known, and its group

GROUPS: dict[str, tuple[LiveCredential, Knowledge, str]] = {
    "the key id in the record is published": (one("published"), known(), "published"),
    "it is published also where another record publishes it, too": (
        one("published"), known(needed_by_others={"published": "theirs"}), "published",
    ),
    "it is published also where the ledger is to remove it": (
        one("published"), known(ledger=remembers(published=OVER)), "published",
    ),
    "what another record publishes is protected": (
        one("k", marker("theirs", "there", OVER)), known(needed_by_others={"k": "theirs"}), "protected",
    ),
    "it is protected also where this record published it before": (
        one("k"), known(needed_by_others={"k": "theirs"}, ledger=remembers(k=OVER)), "protected",
    ),
    "it is protected also where its name says that a dead run of this record made it": (
        one("k", marker("ours", "here", OVER)), known(needed_by_others={"k": "theirs"}), "protected",
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
    "a marker of a run that would last for days is somebody else's invention": (
        one("k", marker("ours", "there", NOW + DAY + SECOND)), known(), "foreign",
    ),
    "made by an earlier run of this host, and never in the record: however young": (
        one("k", marker("ours", "here", ALIVE)), known(), "orphans",
    ),
    "made by an earlier run of this host, which may have published it": (
        one("k", marker("ours", "here", ALIVE)), known(runs=OwnRuns(frozenset({"run"}), frozenset())), "strays",
    ),
    "never in the record, but of a start of this host before, whose run may be on a copy of it": (
        one("k", marker("ours", "here", ALIVE)), known(runs=OwnRuns(frozenset(), frozenset({"run"}))), "young",
    ),
    "the same, when its time is over": (
        one("k", marker("ours", "here", NOW - GRACE - SECOND)), known(runs=OwnRuns(frozenset(), frozenset({"run"}))),
        "orphans",
    ),
    "made under this lock by a run that this host knows nothing of, as by a clone": (
        one("k", marker("ours", "here", ALIVE)), known(runs=NOBODYS), "young",
    ),
    "the same, when its time is over, which may have published it": (
        one("k", marker("ours", "here", NOW - GRACE - SECOND)), known(runs=NOBODYS), "strays",
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
        one("k", marker("ours", "there", NOW - GRACE - SECOND)), known(), "strays",
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
    about = known(ledger=remembers(former=None, older=None), needed_by_others={"protected": "theirs"})
    listing = [FOREIGN, OLDER, OTHER, YOUNG, STRAY, ORPHAN, FORMER, PROTECTED, PUBLISHED]
    found = decisions.sort(iter(listing), about)
    assert found == replace(ONE_OF_EACH, former=(OLDER, FORMER))
    assert found.all() == [PUBLISHED, PROTECTED, OLDER, FORMER, ORPHAN, STRAY, YOUNG, OTHER, FOREIGN]
    assert decisions.sort([], about) == groups() and groups().all() == []


# Which one is the newest


def test_the_newest_is_the_one_that_was_made_last() -> None:
    early, late = one("early", made=OVER), one("late", made=NOW)
    assert decisions.newest([early, late, FOREIGN]) == decisions.newest([late, FOREIGN, early]) == late
    assert decisions.newest([FOREIGN, early]) == early, "one that tells when counts before one that does not"
    assert decisions.newest([FOREIGN, OTHER]) == FOREIGN
    with pytest.raises(ValueError, match="empty"):
        decisions.newest([])


# Why to rotate: what is published, what is known, rotate_before, asked for, the reasons

ENDED, VERSION = "6B29FC40-ca47-1067-b31d-00dd010662da", "6b29fc40ca471067b31d00dd010662da"
ZEROS = "00000000-0000-0000-0000-000000000000"
UNTOUCHED = known(key_id="typed by hand", ledger=Ledger())
REASONS: dict[str, tuple[LiveCredential | None, Knowledge, timedelta | None, bool, list[str]]] = {
    "every run rotates where the record names no time": (PUBLISHED, known(), None, False, ["every run"]),
    "every run is not the reason where somebody asks": (PUBLISHED, known(), None, True, ["asked for"]),
    "what we published is gone": (None, known(), DAY, False, ["gone"]),
    "nothing of ours was ever published": (None, UNTOUCHED, DAY, False, ["placeholder"]),
    "what another tool published is gone": (None, known(key_id=ENDED, ledger=Ledger()), DAY, False, ["gone"]),
    "so is a certificate's version": (None, known(key_id=VERSION, ledger=Ledger()), DAY, False, ["gone"]),
    "an id of zeros is a template's": (None, known(key_id=ZEROS, ledger=Ledger()), DAY, False, ["placeholder"]),
    "far from its end it is not": (PUBLISHED, known(), DAY, False, []),
    "as far from its end as it may be, not yet": (replace(PUBLISHED, ends=NOW + DAY), known(), DAY, False, []),
    "a second nearer": (replace(PUBLISHED, ends=NOW + DAY - SECOND), known(), DAY, False, ["near its end"]),
    "with 0 hours it is past": (replace(PUBLISHED, ends=NOW - SECOND), known(), timedelta(), False, ["near its end"]),
    "with 0 hours not before": (replace(PUBLISHED, ends=NOW), known(), timedelta(), False, []),
    "in a day it ends, and every run rotates anyway": (
        replace(PUBLISHED, ends=NOW + DAY - SECOND), known(), None, False, ["near its end", "every run"],
    ),
    "a value that is not the published one": (
        replace(PUBLISHED, hint="abd"), known(), DAY, False, ["not the saved one"],
    ),
    "a service that shows no hint is believed": (replace(PUBLISHED, hint=""), known(), DAY, False, []),
    "what the service calls due": (replace(PUBLISHED, is_due=True), known(), DAY, False, ["of unknown age"]),
}  # fmt: skip


@pytest.mark.parametrize("sentence", REASONS)
def test_reasons(sentence: str) -> None:
    published, about, before, asked, expected = REASONS[sentence]
    assert decisions.reasons(published, about, policy(rotate_before=before), asked=asked) == expected


# Whether what is open comes before a new one: the reasons, what is known, at any time, it does

CAN_WAIT: dict[str, tuple[list[str], Knowledge, bool, bool]] = {
    "nothing asks for a new one": ([], known(), False, True),
    "nor where nothing of ours was published": ([], UNTOUCHED, False, True),
    "only the schedule does": (["every run"], known(), False, True),
    "only the schedule does, for a week": (["every run"], known(last_rotated=NOW - 7 * DAY), False, False),
    "the schedule, and the record was never rotated": (["every run"], UNTOUCHED, False, False),
    "somebody asks": (["asked for"], known(), False, False),
    "its end is near": (["near its end", "every run"], known(), False, False),
    "its end is near, and a new one would end what a destination holds": (["near its end"], known(), True, True),
    "the schedule, and a person has published another one": (
        ["every run"],
        known(ledger=Ledger(key_id="another")),
        False,
        False,
    ),
    "the same, and a new one would end what a destination holds": (
        ["every run"],
        known(ledger=Ledger(key_id="another")),
        True,
        True,
    ),
    "its age is not known, and a new one would end what a destination holds": (["of unknown age"], known(), True, True),
    "it would end that, and nothing of ours was published": (["every run"], UNTOUCHED, True, False),
    "it is gone, and a new one would end what a destination holds": (["gone"], known(), True, False),
    "it is refused, and a new one would end what a destination holds": (["refused"], known(), True, False),
}


@pytest.mark.parametrize("sentence", CAN_WAIT)
def test_can_wait(sentence: str) -> None:
    why, about, at_any_time, expected = CAN_WAIT[sentence]
    assert decisions.can_wait(why, about, at_any_time=at_any_time) is expected


# Whether a new one is needed so much that a broken destination must not hold it up

PRESSING: dict[str, tuple[list[str], Knowledge, bool]] = {
    "only the schedule asks": (["every run"], known(), False),
    "somebody asks": (["asked for"], known(), True),
    "it is dead or nearly so": (["near its end", "every run"], known(), True),
    "what we published is gone": (["gone"], known(), True),
    "nothing was published yet": (["placeholder", "every run"], UNTOUCHED, False),
    "somebody asks for the first one": (["asked for", "placeholder"], UNTOUCHED, False),
    "what somebody else made is at its end": (["near its end"], UNTOUCHED, True),
}


@pytest.mark.parametrize("sentence", PRESSING)
def test_is_pressing(sentence: str) -> None:
    why, about, pressing = PRESSING[sentence]
    assert decisions.is_pressing(why, about) is pressing


# What the policy lets go: the groups, remove_old, what is known, the key ids with whether this record published them

OURS = {"former": True, "stray": True, "published": True}
UNSETTLED = known(last_rotated=NOW - LAG, ledger=remembers(unseen=None))
MAY_GO: dict[str, tuple[Inventory, str, Knowledge, dict[str, bool]]] = {
    "all: also what is somebody else's; never what another run or record may need": (
        ONE_OF_EACH, "all", known(), OURS | {"foreign": False, "other": False},
    ),
    "replaced: what this record publishes and published": (ONE_OF_EACH, "replaced", known(), OURS),
    "none: the same, to be remembered": (ONE_OF_EACH, "none", known(), OURS),
    "nothing is published": (groups(former=(FORMER,)), "replaced", known(), {"former": True}),
    "a copied record: what the other one publishes stays": (
        ONE_OF_EACH, "all", known(needed_by_others={"published": "theirs", "foreign": "theirs"}),
        {"former": True, "stray": True, "other": False},
    ),
    "a listing that may lag: what the record published last is gone or not shown yet": (
        groups(), "replaced", known(last_rotated=NOW - LAG), {"published": True},
    ),
    "a listing that may lag: what is remembered is gone or not shown yet": (
        groups(published=PUBLISHED), "none", UNSETTLED, {"published": True, "unseen": True},
    ),
    "a listing that is complete: what it lacks is gone": (
        groups(published=PUBLISHED), "replaced", replace(UNSETTLED, last_rotated=NOW - DAY), {"published": True},
    ),
    "a listing that may lag: what waits for its date": (
        groups(), "replaced", known(last_rotated=NOW - LAG, ledger=remembers(unseen=NOW + SECOND)),
        {"published": True, "unseen": True},
    ),
    "a listing that may lag: what a run was told to remove is not expected": (
        groups(), "replaced", known(last_rotated=NOW - LAG, ledger=remembers(unseen=NOW)), {"published": True},
    ),
    "a listing that may lag: what this record never published is not expected": (
        groups(), "all", known(last_rotated=NOW - LAG, ledger=Ledger(entries={"unseen": Entry(None, False)})), {},
    ),
    "a listing that may lag: what it shows in another group stays there": (
        groups(young=(one("unseen"),)), "all", UNSETTLED, {"published": True},
    ),
    "a listing that may lag: what another record publishes stays": (
        groups(), "all", replace(UNSETTLED, needed_by_others={"unseen": "theirs"}), {"published": True},
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", MAY_GO)
def test_may_go(sentence: str) -> None:
    sorted_, remove_old, about, expected = MAY_GO[sentence]
    assert decisions.may_go(sorted_, policy(remove_old=remove_old), about) == expected


# What this host made and nobody ever published: a later listing, the groups of the first, the orphans

LATE: dict[str, tuple[list[LiveCredential], Inventory, list[str]]] = {
    "one that the first listing showed": ([PUBLISHED], groups(published=PUBLISHED, orphans=(ORPHAN,)), ["orphan"]),
    "one that only the later one shows": ([PUBLISHED, ORPHAN], groups(published=PUBLISHED), ["orphan"]),
    "one that both show": ([PUBLISHED, ORPHAN], groups(orphans=(ORPHAN,)), ["orphan"]),
    "the new one itself": ([PUBLISHED, one("new", marker("ours", "here", ALIVE))], groups(), []),
    "what may have been published": ([PUBLISHED, STRAY], groups(strays=(STRAY,)), []),
    "what is another run's, record's or somebody else's": ([PUBLISHED, YOUNG, OTHER, FOREIGN], groups(), []),
}


@pytest.mark.parametrize("sentence", LATE)
def test_orphans(sentence: str) -> None:
    listing, seen, expected = LATE[sentence]
    assert decisions.orphans(listing, seen, known(), "new") == expected


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
    "nothing that is published now": (groups(foreign=(one("new"),)), {}, Ledger(), {}),
    "what was published until now gets a date of its own, whatever a record that was put back says": (
        groups(published=PUBLISHED), {"overlap": DAY}, remembers(published=OVER), {"published": Entry(NOW + DAY, True)},
    ),
    "what may have been published lives on for a day at least": (
        groups(strays=(STRAY,)), {"overlap": HOUR}, Ledger(), {"stray": Entry(NOW + DAY, True)},
    ),
    "what may have been published lives on for a longer overlap": (
        groups(strays=(STRAY,)), {"overlap": 2 * DAY}, Ledger(), {"stray": Entry(NOW + 2 * DAY, True)},
    ),
    "what may have been published is remembered with none": (
        groups(strays=(STRAY,)), {"remove_old": "none"}, Ledger(), {"stray": Entry(None, True)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", RETIRED)
def test_retirements(sentence: str) -> None:
    sorted_, wishes, ledger, expected = RETIRED[sentence]
    entries = decisions.retirements(sorted_, policy(**wishes), known(ledger=ledger), "new")
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
    "it is gone, or the listing lags": (OLD, "all", known(last_rotated=NOW - LAG, ledger=remembers(gone=OVER)), []),
    "the record publishes it again": (OLD, "all", known(ledger=remembers(published=OVER)), []),
    "another record publishes it": (
        OLD, "all", known(ledger=remembers(former=OVER), needed_by_others={"former": "theirs"}), [],
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


# What goes first where the target is full, and what is published was just proved

DEAD = replace(FOREIGN, key_id="dead", ends=NOW)
REPLACED, PROMISED = {"remove_old": "replaced"}, {"overlap": HOUR}
FREED: dict[str, tuple[Inventory, dict[str, Any], set[str], str | None]] = {
    "an orphan goes first": (ONE_OF_EACH, {}, set(), "orphan"),
    "an orphan goes whatever the policy says": (ONE_OF_EACH, {"remove_old": "none", **PROMISED}, set(), "orphan"),
    "then what this record published before": (replace(ONE_OF_EACH, orphans=()), {}, set(), "former"),
    "then what another record's dead run left": (replace(ONE_OF_EACH, orphans=(), former=()), {}, set(), "other"),
    "then somebody else's": (replace(ONE_OF_EACH, orphans=(), former=(), others=()), {}, set(), "foreign"),
    "never what is published, protected, young or may have been published": (
        replace(ONE_OF_EACH, orphans=(), former=(), others=(), foreign=()), {}, set(), None,
    ),
    "not one that a destination holds": (
        replace(ONE_OF_EACH, orphans=(), others=()), {}, {"former"}, "foreign",
    ),
    "a destination that holds an earlier value of it holds another one": (
        groups(published=PUBLISHED, former=(replace(FORMER, made=NOW),)), {}, {"former@" + OVER.isoformat()}, "former",
    ),
    "a destination that holds this very value of it": (
        groups(published=PUBLISHED, former=(replace(FORMER, made=NOW),)), {}, {"former@" + NOW.isoformat()}, None,
    ),
    "replaced: nothing that works goes early": (replace(ONE_OF_EACH, orphans=()), REPLACED, set(), None),
    "an overlap was promised": (replace(ONE_OF_EACH, orphans=()), PROMISED, set(), None),
}  # fmt: skip


@pytest.mark.parametrize("sentence", FREED)
def test_to_free(sentence: str) -> None:
    sorted_, wishes, held, expected = FREED[sentence]
    if expected is None:
        with pytest.raises(Failed, match="none of them may go"):
            decisions.to_free(sorted_, policy(**wishes), known(), held)
    else:
        assert decisions.to_free(sorted_, policy(**wishes), known(), held) == expected


def test_what_is_dated_and_due_goes_early_too() -> None:
    full = groups(published=PUBLISHED, former=(FORMER, OLDER))
    assert decisions.to_free(full, policy(**REPLACED), known(ledger=remembers(older=OVER, former=None)), ()) == "older"


# While nobody can tell what another record needs

UNREAD = "rotation_state of record theirs cannot be read"
DUE = {
    "former": Entry(OVER, True),
    "foreign": Entry(OVER, False),
    "dead": Entry(OVER, False),
    "later": Entry(ALIVE, True),
}
SEVERAL = groups(published=PUBLISHED, former=(FORMER,), foreign=(FOREIGN, DEAD))
ENDED: dict[str, tuple[Knowledge, list[str]]] = {
    "all that is due": (known(), ["former", "foreign", "dead"]),
    "only what is dead, while another record cannot be read": (known(unread=UNREAD), ["dead"]),
    "a revoke ends what was published all the same": (known(unread=UNREAD, revoking=True), ["former", "dead"]),
}


@pytest.mark.parametrize("sentence", ENDED)
def test_to_end(sentence: str) -> None:
    about, expected = ENDED[sentence]
    assert decisions.to_end(DUE, SEVERAL, policy(), about, "published") == expected


def test_a_full_target_is_not_freed_of_what_an_unread_record_may_need() -> None:
    about = known(unread=UNREAD)
    assert decisions.to_free(ONE_OF_EACH, policy(), about, ()) == "orphan"
    full = replace(ONE_OF_EACH, orphans=())
    with pytest.raises(Failed, match=UNREAD):
        decisions.to_free(full, policy(), about, ())
    assert decisions.to_free(full, policy(), replace(about, revoking=True), ()) == "former"


def test_what_is_dead_makes_room_first_whatever_the_policy_says() -> None:
    full = groups(published=PUBLISHED, foreign=(FOREIGN, DEAD, replace(FOREIGN, ends=NOW + SECOND)))
    assert decisions.expired_to_free(full, known()) == ["dead"]


def test_a_full_target_names_what_it_has_and_when_it_will_work() -> None:
    soon = one("held", ends=NOW + HOUR)
    full = groups(published=PUBLISHED, former=(soon,), foreign=(replace(FOREIGN, ends=NOW + 2 * HOUR),))
    problem = decisions.full(full, policy(**REPLACED), known(), {"held"})
    assert "published (without a name)" in str(problem) and "foreign (made in the portal)" in str(problem)
    assert "2026-08-01 14:00 UTC" in problem.hint, "what a destination holds frees nothing"
    alone = decisions.full(groups(protected=(PROTECTED,)), policy(), known(), set())
    assert alone.hint == "remove one of them in the portal"
