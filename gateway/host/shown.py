"""Text from outside, as people may look at it: one line that cannot steer a terminal, a log or a spreadsheet.

Titles, names, errors and fields were written by others. What is shown of them passes through here.
"""

from __future__ import annotations

from gateway.secret import masked

LONGEST = 2000
# What a spreadsheet takes for a formula, in the wide forms of East Asian keyboards, too.
_FORMULA = tuple("=+-@＝＋－＠")


def shown(text: str, most: int = LONGEST) -> str:
    """One line of ``text``: secrets are stars, line breaks blanks, other unprintable characters question marks.

    Those are escape sequences, marks that turn the direction of writing, and halves of characters.
    """
    return clean(masked(text), most)  # masked before it is cut: half of a secret would not be known


def clean(text: str, most: int = LONGEST) -> str:
    """As `shown`, where nothing is masked: ids are hidden fields in some PAM configurations, and no secrets."""
    if len(text) > most:
        text = f"{text[: most - 1]}…"
    return text if text.isprintable() else "".join(map(_sign, text))


def _sign(sign: str) -> str:
    return sign if sign.isprintable() else " " if sign.isspace() else "?"


def cell(text: str) -> str:
    """``text`` in a file that may be opened as a spreadsheet: no formula."""
    text = clean(text)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text
