"""A password that is published as it stands in a record."""

from __future__ import annotations

from tests.live.answers import Answers
from tests.live.ground import Ground
from tests.live.scripts import run_script


def publish(ground: Ground, answers: Answers) -> None:
    """A password, published to a new secret of the key vault."""
    if not ground.given.key_vault:
        return answers.skip("S4", "LIVE_KEY_VAULT was not given")
    address = f"{ground.vault_url}/secrets/{ground.name('password')}"
    uid = ground.make_record("password", {"deliver_to": address})
    run = run_script(ground, "publish_password", uid, now=False)
    answers.judge("S4", run)
