"""The subject that an operator wants: whole, or in parts, of which those that are not named stay as they are."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gateway.model.certificate_policy import LONGEST_CN, quoted, read_subject, subject_parts

PARTS = {"cn": "CN", "unit": "OU", "organisation": "O", "locality": "L", "state": "ST", "country": "C"}


def whole(text: str, where: str, problems: list[str]) -> str:
    """A whole subject as Key Vault takes it. ``where``: where it stands."""
    try:
        return read_subject(text)
    except ValueError as error:
        problems.append(f"{where}: {error}")
        return ""


def check_parts(parts: Mapping[str, str], problems: list[str]) -> None:
    """They can stand in a subject."""
    if (length := len(parts.get("CN", ""))) > LONGEST_CN:
        problems.append(f"--cn: {length} characters long; at most {LONGEST_CN} are allowed")
    country = parts.get("C", "")
    if country and not re.fullmatch("[A-Za-z]{2}", country):
        problems.append(f"--country: {country!r} is not a country's code of two letters")
    if odd := [value for value in parts.values() if re.search(r'["\\\x00-\x1f]', value)]:
        problems.append(f"a name cannot hold quotes, backslashes and line breaks: {odd[0]!r}")


def written(parts: Mapping[str, str]) -> str:
    """A subject of these parts alone."""
    return ", ".join(f"{sign}={quoted(value)}" for sign, value in parts.items())


def merged(parts: Mapping[str, str], subject: str, problems: list[str]) -> str:
    """The subject that is there, with these parts in it; empty where it has them already."""
    try:
        there = [(sign.upper(), value) for sign, value in subject_parts(subject, with_empty=True)] if subject else []
    except ValueError as error:
        problems.append(f"the subject in the policy: {error}")
        return ""
    new = {sign: quoted(value) for sign, value in parts.items()}
    if all([value for each, value in there if each == sign] == [wanted] for sign, wanted in new.items()):
        return ""
    known = {sign for sign, _ in there}
    # Each in the place of those of its kind, once; what is not there yet comes last.
    found = [(sign, new.get(sign, value)) for sign, value in there]
    found += [(sign, value) for sign, value in new.items() if sign not in known]
    once = [each for at, each in enumerate(found) if each[0] not in new or each not in found[:at]]
    return ", ".join(f"{sign}={value}" for sign, value in once)
