"""The page of ``status --html`` by the rules of axe-core, in a browser: three widths, light and dark.

axe-core is Deque's engine for the Web Content Accessibility Guidelines: https://github.com/dequelabs/axe-core
It comes from npm when all tests are run; without a browser, npm or its registry these tests are skipped.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.commands.test_status_page import CHROMIUM, path

__all__ = ["path"]

VERSION = "4.14.1"
NPM = shutil.which("npm")
WIDTHS = {"a telephone": 390, "a tablet": 800, "a screen": 1400}
_ASK = """<script>AXE</script><script>
axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(found => {
  const said = found.violations.map(e => [e.id, e.help, e.nodes.slice(0, 3).map(n => n.html.slice(0, 200))]);
  parent.postMessage({rules: found.passes.length, wide: document.documentElement.scrollWidth, said: said}, "*");
});
</script>"""
# A browser without a head has no window as narrow as a telephone.
_FRAME = """<!DOCTYPE html><title></title><iframe src="copy.html" style="width:WIDTHpx;height:2000px;border:0"></iframe>
<script>addEventListener("message", event => { document.title = JSON.stringify(event.data); });</script>"""


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its source."""
    if not NPM:
        pytest.skip("no npm on this machine, which would fetch axe-core")
    folder = tmp_path_factory.mktemp("axe")
    install = [NPM, "install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", f"axe-core@{VERSION}"]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        pytest.skip(f"npm cannot fetch axe-core: {done.stderr.strip().splitlines()[-1:]}")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def findings(page: str, axe: str, width: int, folder: Path) -> dict[str, Any]:
    """What is violated, how many rules are kept, and how wide the page is."""
    text = re.sub(r"<meta http-equiv=[^>]*>", "", page)  # it would refuse our script
    (folder / "copy.html").write_text(text.replace("</body>", _ASK.replace("AXE", axe) + "</body>"))
    (frame := folder / "frame.html").write_text(_FRAME.replace("WIDTH", f"{width}"))
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}", "--dump-dom"]
    options += ["--window-size=1600,2200", "--virtual-time-budget=20000"]
    command = [str(CHROMIUM), *options, frame.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False).stdout
    title = re.search(r"<title>(\{.*?\})</title>", shown, re.DOTALL)
    assert title, shown[-2000:]
    return dict(json.loads(title[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")))


@pytest.mark.deep
@pytest.mark.skipif(not CHROMIUM, reason="no browser on this machine")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_breaks_no_rule(width: str, scheme: str, path: Path, axe: str, tmp_path: Path) -> None:
    page = path.read_text()
    if scheme == "dark":
        page = page.replace("(prefers-color-scheme: dark)", "all")
    found = findings(page, axe, WIDTHS[width], tmp_path)
    assert found["rules"] > 30 and found["said"] == [], found
    assert found["wide"] <= WIDTHS[width], "nothing is outside of it"


@pytest.mark.deep
@pytest.mark.skipif(not CHROMIUM, reason="no browser on this machine")
def test_one_that_breaks_rules_is_seen(path: Path, axe: str, tmp_path: Path) -> None:
    broken = path.read_text().replace("<label", "<span").replace("</label", "</span").replace("#57606a", "#aaaaaa")
    found = {each[0] for each in findings(broken, axe, 800, tmp_path)["said"]}
    assert {"color-contrast", "label", "select-name"} <= found
