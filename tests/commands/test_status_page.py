"""``status --html``: one page that needs nothing from outside, in which nothing from a vault is more than text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sandbox.proxy import faults
from tests.commands.test_status import APP, add, rotated
from tests.stage.command import command
from tests.stage.rotation import Stage

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
EVIL = (
    "<script>document.title='pwned'</script>", "<img src=x onerror=\"document.title='pwned'\">",
    "</style></script><svg onload=\"document.title='pwned'\">", '"><b data-state="ok" onfocus=alert(1) autofocus>',
    "a\u202eb", "\x1b[2J", "{{7*7}}", "javascript:alert(1)", "x" * 10_000, "orders & sons",
)  # fmt: skip


class Parsed(HTMLParser):
    """What a page consists of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.content: dict[str, str] = {}
        self.words: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._inside = tag
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self._inside in ("style", "script"):
            self.content[self._inside] = self.content.get(self._inside, "") + data

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A page about records with evil titles, of which one has failed."""
    with Stage() as stage:
        for title in EVIL:
            add(stage, title, **{APP: title})
        for days in (-20, -3, 10, 100):
            rotated(stage, f"in {days} days", days, rotate_before_hours="24")
        stage.run()
        stage.sandbox.fault("graph", "add_password", faults.Status(403), times=None)
        stage.run()
        found = tmp_path_factory.mktemp("page") / "status.html"
        process = command(stage, "status", f"--html={found}")
        assert (process.returncode, process.stdout) == (0, ""), process
        assert process.stderr == f"page with {len(EVIL) + 7} records written to {found}\n"
        assert command(stage, "status", f"--html={found}").returncode == 1, "it is not written over"
        assert command(stage, "status", f"--html={found}", "--force").returncode == 0
        assert not [canary for canary in stage.canaries() if canary in found.read_text()]
        yield found


@pytest.fixture(scope="module")
def page(path: Path) -> Parsed:
    """The same, taken apart."""
    return Parsed(path.read_text())


def test_it_is_for_its_owner_alone(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_its_policy_admits_its_own_style_and_script_and_nothing_else(page: Parsed) -> None:
    policies = [value for tag, name, value in page.attributes if (tag, name) == ("meta", "content") and "-src" in value]
    hashes = {
        tag: f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for tag, text in page.content.items()
    }
    assert policies == [
        f"default-src 'none'; style-src {hashes['style']}; script-src {hashes['script']}; "
        "base-uri 'none'; form-action 'none'"
    ]
    assert page.tags.count("script") == page.tags.count("style") == 1
    assert not {"img", "link", "iframe", "object", "b", "a", "form"} & set(page.tags)
    assert not [each for each in page.attributes if each[1].startswith("on") or each[1] in ("style", "src", "href")]


def test_titles_are_text(page: Parsed) -> None:
    shown = "".join(page.words)
    for title in EVIL:
        plain = "".join(sign if sign.isprintable() else "?" for sign in title)
        assert plain[:300] in shown
    assert "x" * 301 not in "".join(word for word in page.words if word == "x" * 300 + "…")
    assert "\u202e" not in shown and "\x1b" not in shown


def test_it_says_what_the_table_says_with_a_sign_beside_each_colour(page: Parsed) -> None:
    words = [word.strip() for word in page.words]
    assert "expired" in words and "every run" in words
    assert "Expired: 2. In the next 52 weeks: 2, in one week at most 1." in words
    assert {"✖ trouble", "✔ ok"} <= set(words)
    runs = [word for word in words if re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC: ", word)]
    assert "failed: " in runs[0] and runs[1].endswith("rotated"), "newest first"
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", " ".join(words)), "when it was made"


def test_a_screen_reader_is_told_what_is_a_table_and_what_a_heading(page: Parsed) -> None:
    roles = [value for _, name, value in page.attributes if name == "role"]
    assert {"table", "row", "cell", "columnheader", "rowheader", "status", "img"} <= set(roles)
    assert ("html", "lang", "en") in page.attributes and page.tags.count("h1") == 1
    assert page.tags.count("th") == roles.count("columnheader") + roles.count("rowheader")
    assert page.tags.count("input") + page.tags.count("select") == page.tags.count("label")


def shown_in_a_browser(path: Path, profile: Path) -> Parsed:
    """What becomes of a page there."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", "--dump-dom"]
    command = [str(CHROMIUM), *options, path.as_uri()]
    return Parsed(subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout)


@pytest.mark.skipif(not CHROMIUM, reason="no browser on this machine")
def test_in_a_browser_its_script_runs_and_no_other(path: Path, tmp_path: Path) -> None:
    page = shown_in_a_browser(path, tmp_path)
    title = page.words[page.words.index(next(word for word in page.words if word.startswith("Rotations on")))]
    assert title and "pwned" not in title
    assert re.search(r"(\d+) of \1 records are shown", "".join(page.words)), "the page's own script has run"
    assert ("div", "hidden", "") not in page.attributes


# What a person does there, and the titles that are shown then, in their order.
DONE: dict[str, tuple[str, list[str]]] = {
    "sorts by days": ("press('Days left')", ["in -20 days", "in -3 days", "in 10 days", "in 100 days"]),
    "sorts by days, and again": (
        "press('Days left'); press('Days left')", ["in 100 days", "in 10 days", "in -3 days", "in -20 days"],
    ),
    "searches": ("type('search', 'DAYS 100')", ["in 100 days"]),
    "chooses what expires soon": ("type('within', '14')", ["in -20 days", "in -3 days", "in 10 days"]),
    "leaves out a state": (
        "document.querySelector('[value=trouble]').click()", ["in 10 days", "in 100 days"],
    ),
}  # fmt: skip
_PERSON = """<script>
function press(text) { [...document.querySelectorAll("thead button")].find(e => e.textContent === text).click(); }
function type(id, text) { const e = document.getElementById(id); e.value = text; e.dispatchEvent(new Event("input")); }
ACTION;
const seen = [...document.querySelectorAll("tbody tr")].filter(e => !e.hidden).map(e => e.dataset.title);
document.title = JSON.stringify(seen.filter(e => /^in .* days$/.test(e)));
</script>"""


@pytest.mark.skipif(not CHROMIUM, reason="no browser on this machine")
@pytest.mark.parametrize("what", DONE)
def test_a_person(what: str, path: Path, tmp_path: Path) -> None:
    action, expected = DONE[what]
    text = re.sub(r"<meta http-equiv=[^>]*>", "", path.read_text())  # it would refuse our person
    (copy := tmp_path / "copy.html").write_text(text.replace("</body>", _PERSON.replace("ACTION", action) + "</body>"))
    words = shown_in_a_browser(copy, tmp_path).words
    assert json.loads(next(word for word in words if word.startswith("["))) == expected
