"""Which targets and destinations the lists of an admin record allow."""

from __future__ import annotations

import pytest

from gateway.errors import Failed
from gateway.model.allowed import check_destinations, check_targets
from gateway.model.clouds import CLOUDS
from gateway.model.credential import AdminCredential


def admin(lines: str) -> AdminCredential:
    """One whose record has these lines in both lists."""
    return AdminCredential("t", "c", None, "attached record A", "A", CLOUDS["AzureCloud"], lambda label: lines)


VAULT = "https://orders.vault.azure.net/secrets/"
RUNBOOK = "/subscriptions/1/resourceGroups/rg/providers/Microsoft.Automation/automationAccounts/a/runbooks/r"

# The lines, an address, and whether they allow it.
ROWS: dict[str, tuple[str, str, bool]] = {
    "no list": ("", VAULT + "x", True),
    "blank lines": (" \n\r\n", VAULT + "x", True),
    "the very address": (VAULT + "x", VAULT + "x", True),
    "in other capitals": (VAULT.upper() + "X", VAULT + "x", True),
    "one of several lines": (f"other\r\n  {VAULT}x \n", VAULT + "x", True),
    "another address": (VAULT + "x", VAULT + "y", False),
    "a beginning of it": (VAULT, VAULT + "x", False),
    "a star": (VAULT + "*", VAULT + "x", True),
    "a star elsewhere": ("https://*.vault.azure.net/secrets/x", VAULT + "x", True),
    "everything": ("*", VAULT + "x", True),
    "a runbook without its parameters": (RUNBOOK, f"{RUNBOOK}?Environment=prod", True),
    "a runbook with its parameters": (f"{RUNBOOK}?Environment=prod", f"{RUNBOOK}?Environment=prod", True),
    "a runbook with others": (f"{RUNBOOK}?Environment=prod", f"{RUNBOOK}?Environment=test", False),
    "a runbook with more": (f"{RUNBOOK}?Environment=prod", f"{RUNBOOK}?Environment=prod&runOn=x", False),
    "a runbook with none": (f"{RUNBOOK}?Environment=prod", RUNBOOK, False),
    "a star does not reach into parameters": ("*/runbooks/safe", f"{RUNBOOK}?x=/runbooks/safe", False),
    "a question mark is itself": ("a?c", "abc", False),
    "a bracket is itself": ("keeper:u#[ab]", "keeper:u#a", False),
    "a bracket in an address": ("keeper:u#[ab]", "keeper:u#[ab]", True),
    "a label with blanks": ("keeper:u#its secret", "keeper:u#its secret", True),
}


@pytest.mark.parametrize("sentence", ROWS)
def test_row(sentence: str) -> None:
    lines, address, allowed = ROWS[sentence]
    for check in (lambda: check_targets(admin(lines), "label", [address]),
                  lambda: check_destinations(admin(lines), [address])):  # fmt: skip
        if allowed:
            check()
        else:
            with pytest.raises(Failed):
                check()


def test_all_that_is_not_allowed_is_named_with_who_may_allow_it() -> None:
    with pytest.raises(Failed) as caught:
        check_destinations(admin("b"), ["a", "b", "c"])
    what = "deliver_to: the admin credential is not allowed to deliver to a, c (attached record A)"
    assert caught.value.message == what
    assert caught.value.hint == "let who may edit record A add to its field allowed_destinations: a, c"
