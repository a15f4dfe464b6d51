"""What an admin credential may be used for, where its record says so: ``allowed_targets``, ``allowed_destinations``.

A line is an address, in any case; ``*`` stands for anything but the question mark before an address's parameters. A
line without parameters allows any.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from gateway.errors import Failed
from gateway.model.credential import AdminCredential


def check_targets(admin: AdminCredential, label: str, names: Iterable[str]) -> None:
    """What the record names, in the field with this label, may be rotated. Raises Failed."""
    if refused := _refused(admin.says("allowed_targets"), names):
        what = f"{label}: the admin credential is not allowed to rotate {', '.join(refused)} ({admin.source})"
        raise Failed(what, _hint(admin, refused, "allowed_targets"))


def check_destinations(admin: AdminCredential, addresses: Iterable[str]) -> None:
    """These may be delivered to. Raises Failed."""
    if refused := _refused(admin.says("allowed_destinations"), addresses):
        what = f"deliver_to: the admin credential is not allowed to deliver to {', '.join(refused)} ({admin.source})"
        raise Failed(what, _hint(admin, refused, "allowed_destinations"))


def _hint(admin: AdminCredential, refused: list[str], label: str) -> str:
    return f"let who may edit record {admin.record_uid} add to its field {label}: {', '.join(refused)}"


def _refused(lines: str, addresses: Iterable[str]) -> list[str]:
    """Those that no line allows; none where there are no lines."""
    patterns = [line.strip().lower() for line in lines.splitlines() if line.strip()]
    return [each for each in addresses if patterns and not any(_fits(each.lower(), line) for line in patterns)]


def _fits(address: str, pattern: str) -> bool:
    path, _, query = address.partition("?")
    of_path, mark, of_query = pattern.partition("?")
    return _matches(path, of_path) and (not mark or _matches(query, of_query))


def _matches(text: str, pattern: str) -> bool:
    """By ``*`` alone: addresses have question marks and brackets."""
    return fnmatchcase(text, pattern.replace("[", "[[]").replace("?", "[?]"))
