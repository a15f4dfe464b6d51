"""``python -m tests.shapes FOLDER``: write what can be compared of the recordings and examples in a folder."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests.shapes.shape import shape

_HERE = Path(__file__).parent
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}", re.IGNORECASE)
# Of the other headers only the names are facts of the service.
_SHOWN = "www-authenticate"


def main(folder: Path) -> None:
    """One file of the recordings that tests name, and one of the examples."""
    tests = "".join(file.read_text(encoding="utf-8") for file in _HERE.parent.glob("sandbox/test_*.py"))
    files = [file for file in sorted(folder.rglob("*")) if f'"{file.stem}"' in tests]
    _write("recorded", {file.stem: _recorded(file) for file in files if file.suffix == ".yaml"})
    _write("examples", {file.stem: _example(file) for file in files if file.suffix == ".json"})


def _write(name: str, content: dict[str, Any]) -> None:
    rows = (f"{json.dumps(each)}: {json.dumps(value, sort_keys=True)}" for each, value in content.items())
    (_HERE / f"{name}.json").write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


def _recorded(file: Path) -> list[dict[str, Any]]:
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    return [_exchange(each["request"], each["response"]) for each in content["interactions"]]


def _exchange(request: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    headers = {name.lower(): values[0] for name, values in response["headers"].items()}
    return {
        "call": f"{request['method']} {_without_ids(urlsplit(request['uri']).path)}",
        "status": response["status"]["code"],
        "headers": sorted(headers),
        _SHOWN: _without_ids(headers.get(_SHOWN, "")),
        "body": _body(response["body"]["string"]),
    }


def _body(text: str) -> Any:
    try:
        return shape(json.loads(text)) if text else None
    except ValueError:
        return "no JSON"


def _example(file: Path) -> dict[str, Any]:
    answers = json.loads(file.read_text(encoding="utf-8"))["responses"]
    return {status: shape(answer.get("body")) for status, answer in answers.items()}


def _without_ids(text: str) -> str:
    return _ID.sub("ID", text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
