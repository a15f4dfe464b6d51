"""``docs/images/demo.svg``: acts 2 to 4 of ``make demo`` as a terminal of 80 columns shows them, light and dark.

``python -m tests.sandbox.picture`` runs the demo in such a terminal and draws the picture anew; a test sees that its
words are those that the demo says.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from html import escape, unescape

from tests.stage.rotation import ROOT

PICTURE = ROOT / "docs" / "images" / "demo.svg"
_COLUMN, _LINE, _MARGIN = 9, 19, 18
_STYLE = """  text { font: 15px ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace }
  text { fill: #1f2328; white-space: pre }
  rect { fill: #f6f8fa; stroke: #d1d9e0 } .s1 { font-weight: 700 }
  .s36 { fill: #0550ae } .s32 { fill: #116329 } .s31 { fill: #a40e26 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } rect { fill: #0d1117; stroke: #3d444d }
    .s36 { fill: #79c0ff } .s32 { fill: #7ee787 } .s31 { fill: #ff7b72 }
  }"""
_TITLE = "A rotation, one that is killed, and the next that heals it"


def recorded() -> str:
    """What the demo shows on a terminal of 80 columns, with its colours."""
    main, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 80, 0, 0))
    process = subprocess.Popen([sys.executable, "-m", "sandbox.demo"], cwd=ROOT, stdout=other, stderr=other)
    os.close(other)
    found = b""
    while True:
        try:
            found += os.read(main, 65536)
        except OSError:  # its end is closed
            break
    os.close(main)
    assert process.wait() == 0, found.decode()
    return found.decode().replace("\r\n", "\n")


def acts(output: str) -> list[str]:
    """The lines that are drawn: acts 2 to 4."""
    begins, _, rest = output.partition("── 2 ")
    return (begins.rpartition("\n")[2] + "── 2 " + rest.partition("── 5 ")[0].rpartition("\n")[0]).rstrip().split("\n")


def svg(output: str) -> str:
    """The picture."""
    lines = acts(output)
    width, height = 2 * _MARGIN + 80 * _COLUMN, 2 * _MARGIN + len(lines) * _LINE
    drawn = [
        f'<text x="{_MARGIN + at * _COLUMN}" y="{_MARGIN + number * _LINE + 14}" textLength="{len(text) * _COLUMN}"'
        f' class="{styles}">{escape(text)}</text>'
        for number, line in enumerate(lines)
        for at, text, styles in _parts(line)
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="t">'
    frame = f'<rect x="1" y="1" width="{width - 2}" height="{height - 2}" rx="8"/>'
    title = f'<title id="t">{_TITLE}</title>'
    return "\n".join([head, title, f"<style>\n{_STYLE}\n</style>", frame, *drawn, "</svg>\n"])


def _parts(line: str) -> Iterator[tuple[int, str, str]]:
    """Column, text and style of each part of a line; wide gaps are no part, so that columns stay where they are."""
    at, styles = 0, ""
    for piece in re.split(r"(\x1b\[[\d;]*m)", line):
        if piece.startswith("\x1b"):
            codes = piece[2:-1].split(";")
            styles = "" if codes in (["0"], [""]) else f"{styles} {' '.join(f's{code}' for code in codes)}".strip()
            continue
        for found in re.finditer(r"\S+(?: \S+)*", piece):
            yield at + found.start(), found[0], styles
        at += len(piece)


def words(text: str) -> list[str]:
    """All words, of a picture or of what the demo said, without what another run says otherwise: ids and secrets."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", text)
    if plain.startswith("<svg"):
        plain = "\n".join(unescape(each) for each in re.findall(r"<text [^>]*>([^<]*)</text>", plain))
    plain = re.sub(r"\bkeeper:\S+", "keeper:RUN", plain)
    plain = re.sub(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{8}…", "ID", plain)
    return re.sub(r"\S{3}…(?=\s|$)", "SECRET", plain).split()


if __name__ == "__main__":
    PICTURE.write_text(svg(recorded()), encoding="utf-8")
