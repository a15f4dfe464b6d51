"""What the Keeper Gateway does around a script when it has rotated a password, as far as Keeper documents it.

Source: https://docs.keeper.io/en/keeperpam/privileged-access-manager/password-rotation/post-rotation-scripts/rotation-rollback
Not documented: whether the record is saved before or after the script runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.stage.published_password import PasswordStage
from tests.stage.rotation import Outcome

ROLLBACK, RERUN = "Rollback On Post Rotation Fail", "Re-run On Post Rotation Fail"
REVERSE = "Reverse Params On Re-run"


@dataclass
class KeeperGateway:
    """Rotates the password of a stage's record, runs the script, and where that fails does what its settings say.

    ``saves_first``: the record is saved before the script runs; ``live``: the password that works on the target.
    """

    stage: PasswordStage
    saves_first: bool
    rollback: bool = False
    rerun: bool = False
    reverse: bool = False
    live: str = ""

    def rotate(self, old: str, new: str, before_rerun: Callable[[], object] = lambda: None) -> list[Outcome]:
        """One rotation; each run of the script."""
        self.live = new
        if self.saves_first:
            self.stage.save(new)
        outcomes = [self.stage.publish(old, new)]
        if outcomes[0].code == 0 or not self.rollback:
            self.stage.save(new)
            return outcomes
        self.live = old
        self.stage.save(old)
        before_rerun()
        if self.rerun:
            outcomes.append(self.stage.publish(*((new, old) if self.reverse else (old, new))))
        return outcomes

    def configure(self) -> None:
        """The settings as an administrator writes them."""
        for label, value in ((ROLLBACK, self.rollback), (RERUN, self.rerun), (REVERSE, self.reverse)):
            self.stage.stored()["custom"].append({"type": "text", "label": label, "value": [str(value).upper()]})
