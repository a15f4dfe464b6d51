"""A certificate that the key vault signs itself."""

from __future__ import annotations

from tests.live.answers import Answers
from tests.live.ground import Ground
from tests.live.scripts import command, problem, run_script


def renew(ground: Ground, answers: Answers) -> None:
    """A self-signed certificate, made and renewed."""
    if not ground.given.key_vault:
        return answers.skip("S3", "LIVE_KEY_VAULT was not given")
    address = f"{ground.vault_url}/certificates/{ground.name('tls')}"
    wanted = ("--dns=live.example.com", "--issuer=Self", "--validity-months=1")
    code, said = command("certificate", "request", address, *wanted, *ground.sign_in())
    if code:
        return answers.skip("S3", problem(code, said))
    uid = ground.make_record("tls", {"certificate_id": address, "remove_old": "none"})
    run = run_script(ground, "azure_key_vault_certificate", uid)
    answers.judge("S3", run, ok=run.report.get("result") == "rotated")
