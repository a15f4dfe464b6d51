"""Which cases every change runs, and which are left to ``make test-all``: those that cost most and say least."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest

# Of each table of cases that are played in a sandbox every change runs so many rows, the first ones.
MOST_ROWS = 1
# The fixtures that make one.
FURNISHED = {
    "certificate", "cluster", "desk", "furnished", "hub", "make_stage", "market", "mongo", "password", "scene", "stage",
    "storage",
}  # fmt: skip
# Of these another number.
QUICK_ROWS = {
    "test_a_certificate_near_its_end_is_renewed_once": 0,
    "test_a_certificate_that_waits_is_told_once_and_holds_nothing_up": 0,
    "test_a_change_of_which_nothing_can_be_seen_is_unknown": 3,
    "test_a_change_that_comes_while_it_is_looked_for_is_no_failure": 0,
    "test_a_change_that_may_come_later_is_unknown": 0,
    "test_a_fault": 4,
    "test_a_host_that_has_only_the_wheel_gets_them_too": 0,
    "test_a_listener_takes_over_from_a_dead_one": 0,
    "test_a_managed_identity_that_cannot_be_asked_now": 0,
    "test_a_mint_older_than_the_deadline_is_taken_back_not_saved": 0,
    "test_a_name_server_that_fails": 0,
    "test_a_name_server_that_fails_from_one_question_on": 0,
    "test_a_request_that_cannot_be_made": 1,
    "test_a_rotation_that_fails_is_tried_again_and_one_that_is_switched_off_is_not": 0,
    "test_a_save_that_arrives_late_after_the_next_one": 1,
    "test_a_script_run_by_hand_without_an_output_ends_as_it_does_with_one": 1,
    "test_a_script_that_says_nothing_is_told_of_at_a_terminal": 1,
    "test_a_secret_that_graph_does_not_list_for_long_is_published_and_nothing_is_removed": 0,
    "test_a_secret_that_is_refused_is_not_put_back": 0,
    "test_a_share_goes_with_any_validity": 0,
    "test_a_shell_that_sources_the_file_meets_it": 0,
    "test_a_version_that_was_asked_for_is_never_asked_for_again": 1,
    "test_a_young_secret_that_is_refused_is_given_time": 0,
    "test_an_answer_that_drips_ends_with_the_time_of_its_request": 1,
    "test_an_answer_that_never_stops_dripping_ends_with_the_deadline": 0,
    "test_an_ending_that_arrives_late_ends_no_key_that_is_published_by_then": 0,
    "test_an_expired_secret_is_not_put_back": 0,
    "test_an_issuer_that_is_slower_than_a_run": 0,
    "test_another_host_rotates_while_the_old_secret_is_put_back": 0,
    "test_deliveries_are_made_while_a_ca_is_waited_for": 0,
    "test_each_order_can_be_asked_for": 1,
    "test_events_have_a_record_rotated_once_a_day": 0,
    "test_every_request_to_keeper_broken_in_every_way": 0,
    "test_it_ends_with_the_listener_and_lets_a_run_end_before": 0,
    "test_it_is_begun_anew_where_it_is_gone": 0,
    "test_it_says_how_far_it_is": 0,
    "test_keeper_is_gone_for_a_while": 0,
    "test_keeper_is_gone_when_the_old_secret_should_be_put_back": 0,
    "test_many_are_compared_a_few_at_a_time": 0,
    "test_many_clients_make_few_threads_and_others_are_answered_afterwards": 0,
    "test_of_several_records_the_one_of_the_tag_is_rotated": 0,
    "test_one_that_does_not_answer_is_given_up": 0,
    "test_one_that_fetched_no_more_fetches_again_after_a_rebalance": 0,
    "test_one_that_hangs_does_not_stop_the_others": 0,
    "test_one_that_hangs_ends_at_its_deadline_and_the_others_before": 0,
    "test_one_that_hangs_is_killed_after_an_upgrade_too": 0,
    "test_one_that_never_opens_ends_the_run_after_some_tries": 1,
    "test_one_who_hangs_leaves_time_for_the_others": 0,
    "test_progress_is_shown_when_it_takes_long": 0,
    "test_runbook_that_never_ends_is_waited_for_by_the_next_run_too": 0,
    "test_sigterm": 3,
    "test_the_deadline_in_the_middle_and_how_to_go_on": 0,
    "test_the_deadline_while_a_vault_is_read": 0,
    "test_the_event_hub_is_gone_for_a_while": 0,
    "test_the_page_is_followed_to_its_end": 1,
    "test_the_record_and_its_attachment_belong_together_whatever_breaks": 3,
    "test_the_schedule_of_one_record_drives_its_folder": 1,
    "test_the_time_in_which_a_person_is_asked_does_not_count_and_holds_no_lock": 1,
    "test_the_worst_faults": 0,
    "test_throttling_is_waited_for": 2,
    "test_two_hosts": 4,
    "test_two_hosts_deliver": 3,
    "test_what_a_command_has_changed_is_done_without_an_output": 0,
    "test_what_cannot_be_attached_leaves_the_record_as_it_was": 3,
    "test_what_never_works_is_told_and_holds_nothing_up": 0,
    "test_what_somebody_has_changed_is_not_overwritten_unless_asked_for": 0,
}


def deep_unless(quick: Callable[..., bool], cases: Iterable[Any]) -> list[Any]:
    """The cases as parameters; those for which ``quick`` is false are marked ``deep``. A tuple is several values."""
    found = []
    for case in cases:
        values = case if isinstance(case, tuple) else (case,)
        marks = () if quick(*values) else pytest.mark.deep
        found.append(pytest.param(*values, id=" ".join(map(str, values)), marks=marks))
    return found


def mark_deep(items: Iterable[pytest.Item]) -> None:
    """Mark the rows that `QUICK_ROWS` and `MOST_ROWS` leave out."""
    items = list(items)
    chosen = {_table(item) for item in items if item.get_closest_marker("deep")}
    seen: Counter[str] = Counter()
    for item in items:
        table = _table(item)
        most = QUICK_ROWS.get(item.originalname or "" if isinstance(item, pytest.Function) else "")
        if most is None and table not in chosen and _furnishes(item):
            most = MOST_ROWS
        seen[table] += 1
        if most is not None and seen[table] > most:
            item.add_marker(pytest.mark.deep)


def _table(item: pytest.Item) -> str:
    return item.nodeid.partition("[")[0]


def _furnishes(item: pytest.Item) -> bool:
    """Whether a sandbox is made for each row: other rows cost next to nothing."""
    return bool(FURNISHED & set(getattr(item, "fixturenames", ())))
