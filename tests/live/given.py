"""What a person gives the trial, by variables: secrets are in no argument and in no file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from gateway.errors import Failed
from gateway.secret import Secret, mask

# Each is a field of `Given` in capitals, behind LIVE_.
MEANINGS = {
    "FOLDER": "name or uid of the shared folder for the trial's records; the application has *Can Edit* on it",
    "APP": "object id or client id of a throw-away app registration that the admin credential owns",
    "ADMIN_RECORD": "uid or title of the record with the admin credential",
    "ADMIN_CLIENT_ID": "or the admin credential itself: client id,",
    "ADMIN_TENANT_ID": "tenant id,",
    "ADMIN_CLIENT_SECRET": "and client secret; a record in the folder holds it during the trial",
    "CONFIG": "uid of the PAM configuration, where the application sees several",
    "STORAGE_ACCOUNT": "resource id of a throw-away storage account; both its keys get new values",
    "KEY_VAULT": "address of a key vault for secrets and a certificate of the trial",
    "DELIVER_TO": "lines of `deliver_to`, separated by blanks: service connection, runbook, API connection",
    "NESTED_FOLDER": "name or uid of a folder inside a shared folder, for one record",
    "ROUNDS": "how many new secrets are timed; default 5",
    "SECONDS": "how long one of them is waited for at most; default 180",
    "PAUSE": "seconds between two looks at whether something is gone; default 5",
}
_SECRETS = ("ADMIN_CLIENT_SECRET",)
_HINT = "docs/not-tried-live.md says what each variable is for"


@dataclass(frozen=True)
class Given:
    """All of it; what is optional and was not given is empty."""

    folder: str
    app: str
    admin_record: str
    admin_client_id: str
    admin_tenant_id: str
    admin_client_secret: Secret
    config: str
    storage_account: str
    key_vault: str
    deliver_to: tuple[str, ...]
    nested_folder: str
    rounds: int
    seconds: float
    pause: float

    @property
    def has_own_admin(self) -> bool:
        """Whether the credential itself was given, and no record with it."""
        return not self.admin_record


def read_given(variables: Mapping[str, str]) -> Given:
    """Read and check it. Raises Failed: with all that is missing or wrong."""
    texts = {field.name: variables.get(f"LIVE_{field.name.upper()}", "").strip() for field in fields(Given)}
    for name in _SECRETS:
        mask(texts[name.lower()])
    wrong = _missing(texts) + _unknown(variables)
    rounds, seconds, pause = (_number(texts[name], wrong, name) for name in ("rounds", "seconds", "pause"))
    if wrong:
        raise Failed("; ".join(wrong), _HINT)
    own = {
        "admin_client_secret": Secret(texts["admin_client_secret"]),
        "deliver_to": tuple(texts["deliver_to"].split()),
    }
    numbers = {
        "rounds": 5 if rounds is None else int(rounds),
        "seconds": seconds or 180.0,
        "pause": 5.0 if pause is None else pause,
    }
    return Given(**{**texts, **own, **numbers})  # type: ignore[arg-type]


def _missing(texts: Mapping[str, str]) -> list[str]:
    wrong = [f"LIVE_{name.upper()} is missing" for name in ("folder", "app") if not texts[name]]
    credential = [texts[f"admin_{part}"] for part in ("client_id", "tenant_id", "client_secret")]
    if not texts["admin_record"] and not all(credential):
        wrong.append("LIVE_ADMIN_RECORD is missing, or all of LIVE_ADMIN_CLIENT_ID, _TENANT_ID and _CLIENT_SECRET")
    if texts["admin_record"] and any(credential):
        wrong.append("LIVE_ADMIN_RECORD and LIVE_ADMIN_CLIENT_… are two admin credentials: give one")
    return wrong


def _unknown(variables: Mapping[str, str]) -> list[str]:
    known = {f"LIVE_{name}" for name in MEANINGS}
    return [f"{name} is not known" for name in sorted(variables) if name.startswith("LIVE_") and name not in known]


def _number(text: str, wrong: list[str], name: str) -> float | None:
    try:
        number = float(text) if text else None
    except ValueError:
        number = -1.0
    if number is not None and not 0 <= number <= 3600:
        wrong.append(f"LIVE_{name.upper()}: {text!r} is not a number from 0 to 3600")
        return None
    return number
