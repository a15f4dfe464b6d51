"""In which forms a secret never gets out."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus
from xml.sax import saxutils

import pytest

from gateway.secret import MASK, Secret, masked

TEXT = 'dummy~Q8 <it\'s> & "ü"/+='

FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in an address": lambda text: quote(text, safe=""),
    "in a form": quote_plus,
    "in JSON": lambda text: json.dumps(text)[1:-1],
    "in JSON with its umlauts": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "in base64": lambda text: base64.b64encode(text.encode()).decode(),
    "in a header": lambda text: base64.b64encode(f":{text}".encode()).decode(),
    "in base64 for addresses": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "on a page that a proxy answers with": html.escape,
    "in the text of an XML element": saxutils.escape,
    "in an attribute of XML": lambda text: saxutils.escape(text, {'"': "&quot;", "'": "&apos;"}),
    "with the numbers of its quotes": lambda text: saxutils.escape(text, {'"': "&#34;", "'": "&#39;"}),
}


@pytest.mark.parametrize("where", FORMS)
def test_a_secret_is_masked(where: str) -> None:
    Secret(TEXT)
    assert masked(f"HTTP 400: <{FORMS[where](TEXT)}> is wrong") == f"HTTP 400: <{MASK}> is wrong"
