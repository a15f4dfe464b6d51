"""What the trial is about to make, where, and how that is removed: said before anything is made."""

from __future__ import annotations

import textwrap

from tests.live.given import Given
from tests.live.ground import PREFIX


def plan(given: Given) -> str:
    """For a person who is asked whether to begin, in lines of 80 columns."""
    lines = [
        f"Makes records in the Keeper folder {given.folder}, and client secrets of the app {given.app}, which live for "
        f"30 days at most. {given.rounds} more of these are timed.",
    ]
    if given.has_own_admin:
        lines.append("One of the records holds the admin credential for as long as this runs.")
    if given.key_vault:
        lines.append(f"Makes secrets and a certificate in {given.key_vault}.")
    if given.storage_account:
        lines.append(f"Regenerates BOTH KEYS of {given.storage_account}: this cannot be undone.")
    if given.deliver_to:
        lines.append(
            f"Delivers a secret that does not live on to {', '.join(given.deliver_to)}: what is there is overwritten."
        )
    lines.append(
        f"At its end, after Ctrl-C and after a failure it deletes everything whose name begins with {PREFIX}, and the "
        "client secrets that were made for these records. Where it was killed: make live CLEAN=1."
    )
    return "\n".join(part for line in lines for part in textwrap.wrap(line, 80, break_on_hyphens=False))
