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
from tests.stage.parts import broker

VARIABLES = {
    "HTTPS_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "KSM_CONFIG_FILE", "ROTATION_LOCK_DIR",
    "SANDBOX_TENANT_ID",
    "SANDBOX_ADMIN_CLIENT_ID", "SANDBOX_ADMIN_CLIENT_SECRET", "SANDBOX_SUBSCRIPTION_ID", "SANDBOX_KEY_VAULT_URL",
    "SANDBOX_RECORD_UID", "SANDBOX_ADMIN_RECORD_UID", "SANDBOX_CONFIG_RECORD_UID", "SANDBOX_RESOURCE_GROUP",
    "SANDBOX_USER_PRINCIPAL_NAME", "SANDBOX_PASSWORD_RECORD_UID", "SANDBOX_CERTIFICATE_ID",
    "SANDBOX_CERTIFICATE_RECORD_UID", "SANDBOX_FOLDER_UID", "SANDBOX_PID", "SANDBOX_TO_KEY_VAULT", "SANDBOX_TO_DEVOPS",
    "SANDBOX_TO_RUNBOOK", "SANDBOX_TO_LOGIC_APPS", "SANDBOX_TO_KEEPER", "SANDBOX_TO_CERTIFICATE",
    "SANDBOX_STORAGE_ACCOUNT_ID", "SANDBOX_STORAGE_RECORD_UID", "SANDBOX_STORAGE_SECRET",
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


# A page, its heading, and what its lines say.
PAGES = {
    "docs/mongodb.md": ("Try it in the sandbox", ("exit 0: done", "proved       login", "/secrets/orders-mongodb")),
    "docs/publish-password.md": (
        "Try it in the sandbox",
        ("exit 0: done", "identical in Keeper and at", "/secrets/orders-password"),
    ),
    "docs/listen.md": (
        "Try it in the sandbox",
        ("because of SecretNearExpiry", ": rotated, exit 0", "handled by a listener", "active_key: key2"),
    ),
    "docs/sandbox.md": (
        "The sandbox",
        ("exit 0: done", "delivered    keeper:", "delivered    https://dev.azure.com/", "key2",
         "/certificates/orders-copy", "ordersdata", "orders-tls"),
    ),
}  # fmt: skip
DEEP = ("docs/listen.md", "docs/sandbox.md")


def blocks(page: str, heading: str) -> str:
    """The commands of the page from that heading on, for the environment that these tests have."""
    text = (ROOT / page).read_text(encoding="utf-8")
    after = text[re.search(rf"^#+ {heading}$", text, re.MULTILINE).start() :]  # type: ignore[union-attr]
    found = re.findall(r"^```\n(.*?)^```", after, re.DOTALL | re.MULTILINE)
    until = next(number for number, block in enumerate(found) if 'kill "$SANDBOX_PID"' in block)
    return re.sub(r"^.* -m pip .*\n", "", "".join(found[: until + 1]), flags=re.MULTILINE)


@pytest.mark.parametrize("page", [pytest.param(page, marks=[pytest.mark.deep] * (page in DEEP)) for page in PAGES])
def test_the_page_is_followed_to_its_end(page: str, tmp_path: Path) -> None:
    """As it is written there, but for the place of the environment, which has all packages here."""
    if page == "docs/listen.md":
        broker()
    heading, expected = PAGES[page]
    block = blocks(page, heading).replace(".venv-demo/bin", str(Path(sys.executable).parent))
    block = block.replace("/tmp/env.sh", f"{tmp_path}/env.sh")
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    clean["LISTEN_HEALTH_ADDRESS"] = "127.0.0.1:0"  # the usual port may be somebody's here
    command = ["bash", "-e", "-c", "set -m; trap 'kill $SANDBOX_PID $(jobs -p) 2>/dev/null || true' EXIT\n" + block]
    outcome = subprocess.run(command, env=clean, cwd=ROOT, capture_output=True, text=True, timeout=patience.seconds(60))
    assert outcome.returncode == 0, outcome
    assert not [said for said in expected if said not in outcome.stdout + outcome.stderr], outcome
    assert not re.search(r"exit [123]:", outcome.stderr)


@pytest.mark.deep
def test_in_the_background_it_says_why_it_cannot_start(tmp_path: Path) -> None:
    command = [*COMMAND, "up", "--background", "--env-file", str(tmp_path / "no" / "where")]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=patience.seconds(20))
    assert outcome.returncode == 1 and outcome.stderr.startswith("error: cannot write"), outcome
    assert not outcome.stdout


@pytest.mark.deep
def test_no_page_waits_for_a_sandbox_that_may_never_come() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    assert not [page.name for page in pages if "until [ -f" in page.read_text(encoding="utf-8")]


@pytest.mark.deep
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "--record=nope"], "error: there is no record nope"),
        (["set", "--record=RECORD", "remove_old"], "'remove_old' is not LABEL=VALUE"),
        (["set", "--record=RECORD", "=x"], "'=x' is not LABEL=VALUE"),
    ],
)
def test_what_cannot_be_set_is_said(arguments: list[str], said: str, tmp_path: Path) -> None:
    with running(tmp_path / "sandbox.env") as (_, variables):
        arguments = [argument.replace("RECORD", variables["SANDBOX_RECORD_UID"]) for argument in arguments]
        outcome = in_it(variables, *arguments)
        assert outcome.returncode == 1 and said in outcome.stderr and "Traceback" not in outcome.stderr
    assert "does not answer" in in_it(variables, "show", "--record=x").stderr
    assert "does not lead to a sandbox" in in_it({}, "show", "--record=x").stderr


@pytest.mark.deep
def test_a_field_is_set_as_a_person_would(tmp_path: Path) -> None:
    with running(tmp_path / "sandbox.env") as (_, variables):
        record = f"--record={variables['SANDBOX_RECORD_UID']}"
        assert in_it(variables, "set", record, "remove_old=none", "deliver_to=a", "deliver_to=b").returncode == 0
        assert in_it(variables, "set", "--hidden", record, "notify=json://x", "login=").returncode == 0
        lines = in_it(variables, "show", record).stdout.splitlines()
        assert {"  login: ", "  remove_old: none", "  deliver_to: a", "    b", "  notify: ***"} <= set(lines)


def in_it(variables: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in a shell that sourced the file."""
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, env=clean | variables, capture_output=True, text=True,
        timeout=patience.seconds(20),
    )  # fmt: skip


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
