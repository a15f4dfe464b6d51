"""`python -m sandbox up --env-file FILE`: a furnished sandbox for a shell, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue

try:
    from sandbox.furnish.certificate import furnish_certificate
    from sandbox.furnish.passwords import furnish_mongodb, furnish_password
    from sandbox.furnish.rotation import READ_ALL, WRITE_ALL, WRITE_OWNED, Furnished
    from sandbox.graph.base import READ_USERS
    from sandbox.sandbox import Sandbox
except ImportError as error:
    sys.exit(f"error: {error.name} is not installed\nhint: run make demo once, then .venv-demo/bin/python -m sandbox")

ROLES = (WRITE_OWNED, WRITE_ALL, "Directory.Read.All")
KNOWN_ROLES = sorted({WRITE_OWNED, WRITE_ALL, READ_ALL, *READ_USERS})
MOST_SECRETS = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    options = _parser().parse_args(arguments)
    env_file = Path(options.env_file)
    # An Event would be set by the handler while the lock of its own wait is held, now and then, and hang.
    stop: SimpleQueue[int] = SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda signum, frame: stop.put(signum))
    with tempfile.TemporaryDirectory(prefix="sandbox-") as folder, Sandbox(latency=options.latency) as sandbox:
        names = sandbox.furnish(old_secrets=options.old_secrets, admin_roles=options.admin_role or ROLES)
        sandbox.arm.grant(names.admin_client_id, "Contributor", sandbox.group_id)
        sandbox.keyvault.grant(names.admin_client_id, "Key Vault Secrets Officer", sandbox.key_vault_url)
        try:
            leading = sandbox.env(folder)
            made = _names(names) | {"SANDBOX_PASSWORD_RECORD_UID": furnish_password(sandbox, names)}
            made |= _certificate(sandbox, names)
            made |= _mongodb(sandbox, names) if options.mongodb else {}
            _write_exports(env_file, leading | {"CURL_CA_BUNDLE": leading["SSL_CERT_FILE"]} | made)
        except OSError as error:
            print(f"error: cannot write {env_file}: {error.strerror}", file=sys.stderr)
            return 1
        print(_welcome(sandbox, env_file), flush=True)
        stop.get()
    env_file.unlink(missing_ok=True)  # it leads nowhere any more
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="A Keeper vault and an Azure tenant on loopback, to try rotations without either.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    up = commands.add_parser(
        "up",
        help="start it, and run until SIGTERM or Ctrl-C",
        description="Start a furnished sandbox. FILE is written when it is ready: source it in the shell whose "
        "commands shall meet the sandbox in place of Keeper and Azure. Only 127.0.0.1 is listened on.",
        epilog="example: python -m sandbox up --env-file sandbox.env & ... and when the file is there: . ./sandbox.env",
    )
    up.add_argument("--env-file", required=True, metavar="FILE", help="where the export lines go (made 0600)")
    up.add_argument(
        "--old-secrets", type=_count, default=2, metavar="N",
        help="secrets that the application has at the start; the record holds the last one (default: 2)",
    )  # fmt: skip
    up.add_argument(
        "--latency", type=_seconds, default=0.0, metavar="SECONDS", help="delay of each round trip (default: 0)"
    )
    up.add_argument(
        "--admin-role", action="append", metavar="ROLE", choices=KNOWN_ROLES,
        help=f"Graph permission of the admin application; can be repeated (default: {', '.join(ROLES)})",
    )  # fmt: skip
    up.add_argument("--mongodb", action="store_true", help="also a MongoDB server and two records; needs pymongo")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) > MOST_SECRETS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to {MOST_SECRETS}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 10:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to 10")
    return seconds


def _names(names: Furnished) -> dict[str, str]:
    return {
        "SANDBOX_TENANT_ID": names.tenant_id,
        "SANDBOX_ADMIN_CLIENT_ID": names.admin_client_id,
        "SANDBOX_ADMIN_CLIENT_SECRET": names.admin_secret,
        "SANDBOX_SUBSCRIPTION_ID": names.subscription_id,
        "SANDBOX_KEY_VAULT_URL": names.key_vault_url,
        "SANDBOX_RECORD_UID": names.record_uid,
        "SANDBOX_ADMIN_RECORD_UID": names.admin_record_uid,
        "SANDBOX_CONFIG_RECORD_UID": names.config_record_uid,
        "SANDBOX_RESOURCE_GROUP": names.resource_group,
        "SANDBOX_USER_PRINCIPAL_NAME": names.user_principal_name,
    }


def _certificate(sandbox: Sandbox, names: Furnished) -> dict[str, str]:
    made = furnish_certificate(sandbox, names, vault="sandbox-certificates", dns_names=["orders.example.com"])
    sandbox.keyvault.add_issuer(made.vault, "test-ca")
    sandbox.keyvault.grant(names.admin_client_id, "Key Vault Secrets Officer", made.vault)
    sandbox.roles.grant(names.admin_client_id, "Key Vault Reader", sandbox.group_id)
    return {
        "SANDBOX_CERTIFICATE_ID": made.certificate_id,
        "SANDBOX_CERTIFICATE_RECORD_UID": made.record_uid,
        "SANDBOX_FOLDER_UID": sandbox.keeper.vault.default_folder,
    }


def _mongodb(sandbox: Sandbox, names: Furnished) -> dict[str, str]:
    try:
        made = furnish_mongodb(sandbox, names)
    except ImportError as error:
        hint = "in this environment: pip install -r requirements-mongodb.txt"
        sys.exit(f"error: {error.name} is not installed\nhint: {hint}")
    return {
        "SANDBOX_MONGODB_URI": made.uri,
        "SANDBOX_MONGODB_RECORD_UID": made.record_uid,
        "SANDBOX_MONGODB_ADMIN_RECORD_UID": made.admin_record_uid,
    }


def _write_exports(path: Path, variables: dict[str, str]) -> None:
    """All lines appear at once: whoever waits for the file never reads half of it."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise OSError(errno.EINVAL, "not a plain file")  # /dev/stdout would be replaced, not written to
    path.unlink(missing_ok=True)  # one of an earlier sandbox must not be taken for ours
    lines = ["export {}='{}'\n".format(name, value.replace("'", "'\\''")) for name, value in variables.items()]
    handle, draft = tempfile.mkstemp(prefix=path.name, dir=path.parent)
    with open(handle, "w", encoding="utf-8") as file:
        file.writelines(lines)
    os.replace(draft, path)


def _welcome(sandbox: Sandbox, env_file: Path) -> str:
    hosts = [host for service in sandbox.server.services for host in service.hosts]
    served = [host for host in hosts if host != "127.0.0.1"]
    return (
        f"sandbox: ready, proxy at {sandbox.url}\n"
        f"  answers for {', '.join(served)}; refuses every other host\n"
        f"  . {env_file}  points a shell at it; SIGTERM or Ctrl-C stops it"
    )


if __name__ == "__main__":
    sys.exit(main())
