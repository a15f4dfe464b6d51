"""Changes to texts, bytes and JSON, by chance: those that parsers stumble over."""

from __future__ import annotations

import json
import random
from typing import Any

LONGEST = 64_000
WORDS = [
    "\x00", "\x1b[31m", "\r\n", "\u202e", "\ud800", "😀", "ſ", "K", "İ", "ß", "²", "٣", "NaN", "Infinity", "-0",
    "1e999", "9" * 400, "null", "[", "]", "{", "}", '"', "\\", "..", "//", "@", "#", "?", "&", "%00", "%2f", "%", "://",
    "[::1]", "optional ", "keeper:", "https://", "vault.azure.net", "/secrets/", "/certificates/", "0" * 32, "a" * 22,
    "=", ";", ",", " ", "\t", "true", "false", "[]", "{}", "[[[[[[", '{"a":', "0001-01-01T00:00:00", "\n",
    "9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+23:59", "2026-11-22", "2026-11-22T10:00:00", "CN=", '""',
    "-----BEGIN ",
]  # fmt: skip
VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 1.5, float("nan"), float("inf"), 10**400, "", "x", "2026-11-22T10:00:00Z",
    "2026-11-22T10:00:00", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", [], {}, [[]], [{}], {"a": 1},
    "\ud800", "\x1b[2J", "a" * 5000,
]  # fmt: skip


class Mutator:
    """One seed, one story."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def text(self, text: str) -> str:
        """Another text."""
        for _ in range(self.chance.choice((1, 1, 2, 3, 5, 8))):
            text = self._once(text)[:LONGEST]
        return text

    def _once(self, text: str) -> str:
        pick = self.chance
        at, word = pick.randrange(len(text) + 1), pick.choice(WORDS)
        to = min(len(text), at + pick.choice((1, 1, 2, 4, 16, 64)))
        other = chr(pick.choice((pick.randrange(128), pick.randrange(0x3000), pick.randrange(0x110000))))
        return pick.choice(
            (
                text[:at] + word + text[at:],
                text[:at] + text[to:],
                text[:at] + text[at:to] * pick.choice((2, 3, 10, 200)) + text[to:],
                text[:at] + other + text[to:],
                text[:at] + word + text[to:],
                text[:at] + text[at:].swapcase(),
                text[at:] + text[:at],
                text[:at] + word * pick.choice((1, 2, 50, 3000)) + text[at:],
            )
        )

    def data(self, data: bytes) -> bytes:
        """Other bytes."""
        pick, found = self.chance, bytearray(data or b"0")
        for _ in range(pick.choice((1, 1, 2, 3, 6, 20))):
            at, what = pick.randrange(len(found)), pick.randrange(5)
            if what == 0:
                found[at] ^= 1 << pick.randrange(8)
            elif what == 1:
                found[at] = pick.choice((0, 255, 0x7F, 0x80, 0x30, 0x31, 0x84, pick.randrange(256)))
            elif what == 2 and len(found) > 100:
                del found[at : at + pick.choice((1, 2, 8, 64))]
            elif what == 3:
                found[at:at] = pick.randbytes(pick.choice((1, 2, 8)))
            else:
                found[at:at] = found[at : at + pick.choice((1, 8, 64, 512))]
        return bytes(found[:300_000])

    def shape(self, value: Any, depth: int = 0) -> Any:
        """Other JSON."""
        pick = self.chance
        if pick.random() < 0.12 or depth > 6:
            return pick.choice(VALUES)
        if isinstance(value, dict):
            kept = {key: each for key, each in value.items() if pick.random() > 0.06}
            changed = {key: self.shape(each, depth + 1) if pick.random() < 0.3 else each for key, each in kept.items()}
            return changed | (
                {pick.choice(("", "key_id", "x", "\x1b")): pick.choice(VALUES)} if pick.random() < 0.1 else {}
            )
        if isinstance(value, list):
            changed_list = [self.shape(each, depth + 1) if pick.random() < 0.3 else each for each in value]
            return changed_list + ([pick.choice(VALUES)] if pick.random() < 0.15 else [])
        return self.text(value) if isinstance(value, str) and pick.random() < 0.5 else pick.choice(VALUES)

    def json(self, value: Any) -> str:
        """The text of other JSON, or another text of it, or brackets without an end."""
        what = self.chance.random()
        if what < 0.7:
            return json.dumps(self.shape(value))
        if what < 0.97:
            return self.text(json.dumps(value))
        return json.dumps(value)[:-1] + ',"x":' + "[" * self.chance.choice((500, 990, 2_000, 30_000))
