"""The field ``value_template``: what a consumer takes instead of the bare password, such as a connection string."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

from gateway.errors import Failed
from gateway.keeper.record import VaultRecord
from gateway.secret import Secret


def rendered(record: VaultRecord, login: str, password: Secret) -> Secret:
    """What is delivered: the password, or the record's template with login and password in it.

    Raises:
        Failed: the template has other names in braces, or no password.
    """
    template = record.value("value_template")
    if not template:
        return password
    unknown = set(re.findall(r"\{([^{}]*)\}", template)) - {"login", "password"}
    if unknown or "{password}" not in template:
        what = f"unknown names {', '.join(sorted(unknown))}" if unknown else "no {password} in it"
        raise Failed(f"value_template: {what}", "it may hold {login} and {password}, nothing else in braces")
    values = {"login": login, "password": password.reveal()}
    return Secret(re.sub(r"\{(login|password)\}", lambda found: _escaped(values[found.group(1)], found), template))


def _escaped(value: str, match: re.Match[str]) -> str:
    """As the place needs it: in the login or the query of an address, in JSON, or elsewhere as it is."""
    before, after = match.string[: match.start()], match.string[match.end() :]
    if before.lstrip().startswith(("{", "[")):
        return json.dumps(value)[1:-1]
    is_login = re.search(r"://[^/?#;\s]*$", before) and re.match(r"[^/?#;\s]*@", after)
    is_query = "://" in before and re.search(r"[?&][^=&?\s]+=$", before)
    return quote(value, safe="") if is_login or is_query else value
