"""What is tried, one concern a file. A step that is refused says so in its item, and the next one begins."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

from gateway.errors import CallError, RotationError
from tests.live.answers import Answers
from tests.live.ground import Ground
from tests.live.steps import app_secret, certificate, keeper, lag, merge, password, storage

Step = Callable[[Ground, Answers], None]
# By the item that stands for each.
STEPS: tuple[tuple[str, Step], ...] = (
    ("S1", app_secret.rotate),
    ("E1", lag.measure),
    ("S2", storage.rotate),
    ("A3", storage.list_accounts),
    ("S3", certificate.renew),
    ("A6", merge.sign_elsewhere),
    ("S4", password.publish),
    ("K4", keeper.save_over_an_old_revision),
    ("K12", keeper.read_in_a_nested_folder),
)


def take(ground: Ground, answers: Answers, say: Callable[[str], None]) -> None:
    """All of them."""
    for item, step in STEPS:
        say(f"{item}: {step.__doc__}")
        try:
            step(ground, answers)
        except (RotationError, CallError) as error:
            answers.refuse(item, error)
        except Exception as error:  # of the trial itself: the other items are tried, and everything is cleared away
            answers.settle(item, f"the trial broke: {type(error).__name__} in {_place(error)}", ok=False)


def _place(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}, line {last.lineno}"
