"""Comparing answers with recordings of the real services, where those lie beside the checkout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

RECORDINGS = Path(__file__).parents[3] / "shared" / "recordings"


class Recording:
    """The exchanges of one cassette."""

    def __init__(self, name: str) -> None:
        yaml = pytest.importorskip("yaml")
        path = _there(RECORDINGS / f"{name}.yaml")
        self.exchanges = yaml.safe_load(path.read_text(encoding="utf-8"))["interactions"]

    def answer(self, number: int) -> tuple[int, Any]:
        """Status and JSON of one answer."""
        response = self.exchanges[number]["response"]
        text = response["body"]["string"]
        return response["status"]["code"], json.loads(text) if text else None

    def headers(self, number: int) -> dict[str, str]:
        """The headers of one answer, names in lower case."""
        return {name.lower(): values[0] for name, values in self.exchanges[number]["response"]["headers"].items()}

    def path(self, number: int) -> str:
        """The path that was asked for."""
        return urlsplit(self.exchanges[number]["request"]["uri"]).path


def example(name: str, status: int = 200) -> Any:
    """The body of an example's answer."""
    content = json.loads(_there(RECORDINGS / "examples" / f"{name}.json").read_text(encoding="utf-8"))
    return content["responses"][str(status)].get("body")


def differences(ours: Any, theirs: Any, ignoring: frozenset[str] = frozenset(), path: str = "") -> list[str]:
    """Keys that one of them lacks, and values of another type; null is of any type, and a list is its first entry."""
    if ours is None or theirs is None or path in ignoring:
        return []
    if isinstance(ours, dict) and isinstance(theirs, dict):
        names = [name for name in sorted({*ours, *theirs}) if f"{path}/{name}" not in ignoring]
        lonely = [f"{path}/{name} {'missing' if name in theirs else 'extra'}" for name in names
                  if (name in ours) != (name in theirs)]  # fmt: skip
        both = [name for name in names if name in ours and name in theirs]
        return lonely + [text for name in both
                         for text in differences(ours[name], theirs[name], ignoring, f"{path}/{name}")]  # fmt: skip
    if isinstance(ours, list) and isinstance(theirs, list):
        return differences(ours[0], theirs[0], ignoring, f"{path}[]") if ours and theirs else []
    return [] if type(ours) is type(theirs) else [f"{path} is {type(ours).__name__}, not {type(theirs).__name__}"]


def _there(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"no recordings beside the checkout: {path} is not there")
    return path
