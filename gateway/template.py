"""The field ``value_template``: what a consumer takes instead of the bare password, such as a connection string."""

from __future__ import annotations

import re
from urllib.parse import quote

from gateway.errors import Failed
from gateway.secret import Secret
from gateway.vault import VaultRecord


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
    # In an address every reserved character of a name or password has to be escaped.
    values = {"login": login, "password": password.reveal()}
    if "://" in template:
        values = {name: quote(text, safe="") for name, text in values.items()}
    return Secret(re.sub(r"\{(login|password)\}", lambda found: values[found.group(1)], template))
