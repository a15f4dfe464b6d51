"""`python -m sandbox up`, as a shell uses it."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.stage import patience

VARIABLES = {
    "HTTPS_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "KSM_CONFIG_FILE", "SANDBOX_TENANT_ID",
    "SANDBOX_ADMIN_CLIENT_ID", "SANDBOX_ADMIN_CLIENT_SECRET", "SANDBOX_SUBSCRIPTION_ID", "SANDBOX_KEY_VAULT_URL",
    "SANDBOX_RECORD_UID", "SANDBOX_ADMIN_RECORD_UID", "SANDBOX_CONFIG_RECORD_UID", "SANDBOX_RESOURCE_GROUP",
    "SANDBOX_USER_PRINCIPAL_NAME", "SANDBOX_PASSWORD_RECORD_UID", "SANDBOX_CERTIFICATE_ID",
    "SANDBOX_CERTIFICATE_RECORD_UID", "SANDBOX_FOLDER_UID",
}  # fmt: skip
COMMAND = [sys.executable, "-m", "sandbox"]
ROOT = Path(__file__).parents[2]
READ = "from keeper_secrets_manager_core import SecretsManager as S; import os; \
from keeper_secrets_manager_core.storage import FileKeyValueStorage as F; \
print(S(config=F(os.environ['KSM_CONFIG_FILE'])).get_secrets([os.environ['SANDBOX_RECORD_UID']])[0].title)"


@contextmanager
def running(env_file: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    command = [*COMMAND, "up", "--env-file", str(env_file), *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + patience.seconds(10)
        while not env_file.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        lines = env_file.read_text().splitlines()
        assert all(line.startswith("export ") for line in lines)
        yield process, dict(shlex.split(line)[1].split("=", 1) for line in lines)
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_until_it_is_told_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path / "sandbox.env") as (process, variables):
        assert set(variables) == VARIABLES
        bundle = Path(variables["REQUESTS_CA_BUNDLE"])
        assert (tmp_path / "sandbox.env").stat().st_mode & 0o777 == 0o600
        process.send_signal(number)
        assert process.wait(patience.seconds(5)) == 0
        assert process.stdout is not None and "keepersecurity.com" in process.stdout.read()
        assert not bundle.parent.exists()
    assert not (tmp_path / "sandbox.env").exists(), "it would lead nowhere"


def test_a_shell_that_sources_the_file_meets_it(tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    with running(tmp_path / "sandbox.env", "--old-secrets", "0") as (_, variables):
        shell = f". {tmp_path}/sandbox.env && exec {shlex.quote(sys.executable)} -c {shlex.quote(READ)}"
        read = subprocess.run(
            ["sh", "-c", shell], env=clean, capture_output=True, text=True, timeout=patience.seconds(10)
        )
        assert (read.stdout, read.stderr) == ("Azure app secret - orders-api\n", "")
        token = requests.post(
            f"https://login.microsoftonline.com/{variables['SANDBOX_TENANT_ID']}/oauth2/v2.0/token",
            data={
                "client_id": variables["SANDBOX_ADMIN_CLIENT_ID"],
                "client_secret": variables["SANDBOX_ADMIN_CLIENT_SECRET"],
                "grant_type": "client_credentials", "scope": "https://graph.microsoft.com/.default",
            },
            proxies={"https": variables["HTTPS_PROXY"]}, verify=variables["REQUESTS_CA_BUNDLE"], timeout=10,
        )  # fmt: skip
        assert token.status_code == 200


PAGES = {
    "docs/mongodb.md": ("proved       login", "/secrets/orders-mongodb"),
    "docs/publish-password.md": ("identical in Keeper and at", "/secrets/orders-password"),
}


@pytest.mark.parametrize("page", PAGES)
def test_the_page_is_followed_to_its_end(page: str, tmp_path: Path) -> None:
    """As it is written there, but for the place of the environment, which has all packages here."""
    text = (ROOT / page).read_text(encoding="utf-8")
    (block,) = re.findall(r"^## Try it in the sandbox$.*?^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    block = re.sub(r"^.* -m pip .*\n", "", block, flags=re.MULTILINE)
    block = block.replace(".venv-demo/bin", str(Path(sys.executable).parent)).replace(
        "/tmp/env.sh", f"{tmp_path}/env.sh"
    )
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    command = ["bash", "-e", "-c", "set -m; " + block]
    outcome = subprocess.run(command, env=clean, cwd=ROOT, capture_output=True, text=True, timeout=patience.seconds(30))
    assert outcome.returncode == 0, outcome
    assert not [said for said in PAGES[page] if said not in outcome.stdout + outcome.stderr]
    assert "exit 0: done" in outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "required: COMMAND"),
        (["up"], "required: --env-file"),
        (["up", "--env-file", "x", "--old-secrets", "-1"], "--old-secrets"),
        (["up", "--env-file", "x", "--old-secrets=many"], "is not a number from 0 to 100"),
        (["up", "--env-file", "x", "--latency=slow"], "is not a number of seconds"),
        (["down"], "invalid choice"),
    ],
)
def test_bad_usage_is_explained(arguments: list[str], said: str) -> None:
    outcome = subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=patience.seconds(10)
    )
    assert outcome.returncode == 2 and said in outcome.stderr and "Traceback" not in outcome.stderr


@pytest.mark.parametrize("path", ["no/where", "folder", "link"])
def test_a_file_that_cannot_be_written(tmp_path: Path, path: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    command = [*COMMAND, "up", "--env-file", str(tmp_path / path)]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=patience.seconds(10))
    assert outcome.returncode == 1 and outcome.stderr.startswith("error: cannot write")
