"""Values that must never be seen: a type that masks itself, and a net under every line of output.

`Secret.reveal` is the only way to the text, so that ``grep reveal`` lists every place that handles one.
"""

from __future__ import annotations

import base64
import hmac
import json
from urllib.parse import quote, quote_plus

MASK = "***"

# Shorter values would turn ordinary words of a message into stars; nothing that guards an account is so short.
_SHORTEST_MASKED = 6

# How HTML and XML write quotation marks, or leave them.
_QUOTES = (
    ('"', "'"),
    ("&quot;", "'"),
    ("&quot;", "&apos;"),
    ("&quot;", "&#39;"),
    ("&quot;", "&#x27;"),
    ("&#34;", "&#39;"),
)

_forms: set[str] = set()


class Secret:
    """A secret text. Printing, formatting and ``repr`` show stars; what it holds is masked in all our output."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text
        mask(text)

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    @property
    def hint(self) -> str:
        """The first three characters, which Entra shows next to a key id too."""
        return self._text[:3]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(_raw(self._text), _raw(other._text))

    def __hash__(self) -> int:
        return hash(self._text)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__


def mask(text: str) -> None:
    """Never let ``text`` out from now on, neither as it is nor in base64, nor escaped for URLs, JSON, HTML or XML."""
    if len(text) < _SHORTEST_MASKED:
        return
    raw = _raw(text)
    encoded = base64.b64encode(raw).decode()
    basic = base64.b64encode(b":" + raw).decode()  # the header Authorization of a token without a user
    _forms.update(
        {
            text,
            quote(raw, safe=""),
            quote(raw),
            quote_plus(raw),
            json.dumps(text)[1:-1],
            json.dumps(text, ensure_ascii=False)[1:-1],
            encoded,
            encoded.rstrip("="),
            basic,
            basic.rstrip("="),
            base64.urlsafe_b64encode(raw).decode().rstrip("="),
        }
    )
    _forms.update(_in_markup(text, quotes) for quotes in _QUOTES)


def _in_markup(text: str, quotes: tuple[str, str]) -> str:
    for sign, written in zip("&<>\"'", ("&amp;", "&lt;", "&gt;", *quotes), strict=True):
        text = text.replace(sign, written)
    return text


def _raw(text: str) -> bytes:
    # JSON can hold half of a surrogate pair, which plain UTF-8 refuses.
    return text.encode("utf-8", "surrogatepass")


def masked(text: str) -> str:
    """``text`` with every known secret replaced by stars, longest first."""
    for form in sorted(_forms, key=len, reverse=True):
        if form in text:
            text = text.replace(form, MASK)
    return text
