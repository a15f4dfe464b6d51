"""README and the pages for operators have one word for one thing, that of docs/concepts.md, and sentences that end."""

from __future__ import annotations

import re

import pytest

from tests.stage.rotation import ROOT

# docs/proof.md is made from what tests and mutations are called.
PAGES = ["README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md") if page.stem != "proof")]
# What stands in quotes, in code or in a link is not ours to word.
QUOTED = r"^ *```.*?^ *```|`[^`]*`|\]\([^)]*\)|<!--.*?-->"
# Other words for what the glossary has a word for, and that word.
SYNONYMS = {
    r"rotat(?:ing|ion) (?:app|application|credential)|admin login|service account": "admin credential",
    r"receiver|whoever": "consumer",
    r"delivery target|sink": "destination",
    r"grace period|transition period": "overlap",
    r"stray secret|leftover secret": "orphan",
}
# Words that the field does not use, and what it says instead.
PLAIN = {
    r"[Ss]omebody|[Nn]obody": "who it is, or no consumer",
    r"hold(?:s|ing)? up|held up": "block, delay",
    r"serve[sd]?": "deliver to",
    r"wish(?:es)?": "setting",
    r"told|tells nobody": "notified, set to",
    r"is dead|dead (?:one|secret|key|password)": "no longer works, has ended",
    r"all the same": "anyway",
    r"anew": "again",
}
LONGEST = 35


def prose(name: str) -> str:
    """A page without what is quoted in it."""
    return re.sub(QUOTED, " ", (ROOT / name).read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def glossary() -> dict[str, str]:
    """The words of docs/concepts.md."""
    return dict(
        re.findall(r"^\| \*\*(.+?)\*\* \| (.+?) \|$", (ROOT / "docs/concepts.md").read_text("utf-8"), re.MULTILINE)
    )


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_one_word_for_one_thing(name: str) -> None:
    text = " ".join(prose(name).split())
    found = [(say, *re.findall(rf"\b(?:{pattern})\b", text)) for pattern, say in {**SYNONYMS, **PLAIN}.items()]
    assert not [each for each in found if len(each) > 1], "the first word is the one to write instead"


def test_the_word_to_write_is_in_the_glossary_and_is_used() -> None:
    assert {*SYNONYMS.values()} <= glossary().keys()
    text = " ".join(prose(name) for name in PAGES if name != "docs/concepts.md").lower()
    assert not [word for word in glossary() if word not in text]


@pytest.mark.parametrize("name", ["README.md", "docs/get-started.md", "docs/leaked.md"])
def test_no_sentence_is_too_long(name: str) -> None:
    blocks = re.split(r"\n\s*\n|\n(?=[-|>] |\d\. |\|)|\|", prose(name))
    sentences = [each for block in blocks for each in re.split(r"(?<=[.?!])\s+", " ".join(block.split()))]
    assert len(sentences) > 20
    assert not [each for each in sentences if len(each.split()) > LONGEST]
