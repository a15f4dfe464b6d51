"""The files of ``corpus/``: each broke something once, or would; each with the error that it ends with, or none."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.deliveries.addresses import read_destinations
from gateway.errors import Failed
from gateway.keeper.parameters import read_params
from gateway.listener.events import read_events
from gateway.model.certificate_policy import read_subject
from gateway.model.ledger import read_ledger
from gateway.model.x509 import facts, read_chain
from tests.fuzz.targets import AZURE, TARGETS, UID
from tests.fuzz.test_fuzz import broken_by

CORPUS = Path(__file__).parent / "corpus"
EXPECTED = json.loads((CORPUS / "expected.json").read_text(encoding="ascii"))
BYTES = ("the line on stdin", "events", "certificates")
READ: dict[str, Callable[[Any], object]] = {
    "the line on stdin": lambda line: read_params(io.BytesIO(line)),
    "ledgers": lambda text: read_ledger(text, UID),
    "addresses": lambda text: read_destinations(text, AZURE),
    "events": read_events,
    "certificates": lambda content: [facts(each) for each in read_chain(content)],
    "texts": read_subject,
}


def given(row: dict[str, str]) -> Any:
    """What the file holds, as its target takes it."""
    content = (CORPUS / row["file"]).read_bytes()
    return content if row["target"] in BYTES else content.decode("utf-8", "surrogatepass")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("row", EXPECTED, ids=lambda row: row["file"])
def test_a_file_ends_with_its_error(row: dict[str, str]) -> None:
    said = ""
    with contextlib.suppress(UnicodeError):
        try:
            READ[row["target"]](given(row))
        except (Failed, ValueError) as error:
            said = str(error)
    assert (row["error"] in said) if row["error"] else not said, ascii(said)
    assert not broken_by(row["target"], given(row))


def test_each_file_has_its_row() -> None:
    assert {path.name for path in CORPUS.iterdir()} == {"expected.json", *(row["file"] for row in EXPECTED)}
    assert {row["target"] for row in EXPECTED} <= set(TARGETS)
