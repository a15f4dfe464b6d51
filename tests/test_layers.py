"""Which folder may import which; the rules are those of docs/decisions/0014-layers.md.

Every import counts: also one inside a function, and one that only the type checker sees.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.stage.rotation import ROOT

ABOVE_THE_LINE = ("gateway.commands", "gateway.listener", "gateway.__main__")
GROUND = ("gateway.errors", "gateway.secret")
AT_THE_TOP = {
    "__init__.py", "__main__.py", "errors.py", "run.py", "secret.py",
    "azure", "commands", "deliveries", "engine", "host", "keeper", "kinds", "listener", "model", "mongodb",
}  # fmt: skip
DEEPEST = 10
# A command that rehearses a rotation stands on all of it.
DEEPEST_OF_COMMANDS = 14
MOST_MODULES = 13


def modules(package: str) -> dict[str, Path]:
    """The modules of a package, by name."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path) -> Iterator[str]:
    """What a file imports, as it is written there: ``a.b`` of ``import a.b``, ``a.b.c`` of ``from a.b import c``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{name.name}" for name in node.names)


@cache
def arrows(package: str) -> dict[str, set[str]]:
    """The package's own modules that each of its modules imports."""
    known = modules(package)

    def own(name: str) -> str | None:
        return name if name in known else name.rpartition(".")[0] if name.rpartition(".")[0] in known else None

    return {
        module: {found for name in imported(path) if (found := own(name)) and found != module}
        for module, path in known.items()
    }


def within(name: str, *packages: str) -> bool:
    """Whether a module is one of these, or in one of them."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def below(*packages: str) -> Callable[[str], bool]:
    """For a rule about these packages."""
    return lambda module: within(module, *packages)


# What a rule is about, what it must not import, and the rule.
RULES: dict[str, tuple[Callable[[str], bool], Callable[[str], bool]]] = {
    "model decides, and asks nobody": (
        below("gateway.model"),
        lambda name: within(name, "gateway") and not within(name, "gateway.model", *GROUND),
    ),
    "Keeper's room does not know Azure's": (below("gateway.keeper"), below("gateway.azure", "gateway.mongodb")),
    "Azure's room does not know Keeper's": (below("gateway.azure"), below("gateway.keeper", "gateway.mongodb")),
    "MongoDB's room knows neither": (below("gateway.mongodb"), below("gateway.keeper", "gateway.azure")),
    "the engine names no kind": (below("gateway.engine"), below("gateway.kinds")),
    "no rotation looks above the line": (
        lambda module: not within(module, *ABOVE_THE_LINE),
        below(*ABOVE_THE_LINE),
    ),
    "Keeper's SDK stands behind three files": (
        lambda module: module not in ("gateway.keeper.sdk", "gateway.keeper.files", "gateway.keeper.folders"),
        below("keeper_secrets_manager_core"),
    ),
    "only commands know click": (
        lambda module: not within(module, "gateway.commands", "gateway.__main__"),
        below("click"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_rule(rule: str) -> None:
    about, forbidden = RULES[rule]
    files = {module: path for module, path in modules("gateway").items() if about(module)}
    assert files
    assert not [
        f"{module} imports {name}" for module, path in files.items() for name in imported(path) if forbidden(name)
    ]


@pytest.mark.parametrize("package", ["gateway", "sandbox", "tests"])
def test_nothing_imports_itself_by_way_of_others(package: str) -> None:
    graph = {module: set(names) for module, names in arrows(package).items()}
    while free := [module for module, names in graph.items() if not names & graph.keys()]:
        for module in free:
            del graph[module]
    assert not graph


def test_no_chain_of_imports_is_long() -> None:
    graph = arrows("gateway")

    @cache
    def chain(module: str) -> tuple[str, ...]:
        return max(((module, *chain(name)) for name in graph[module]), key=len, default=(module,))

    above = {module for module in graph if within(module, *ABOVE_THE_LINE)}
    for modules_, deepest in ((graph.keys() - above, DEEPEST), (above, DEEPEST_OF_COMMANDS)):
        longest = max(map(chain, modules_), key=len)
        assert len(longest) <= deepest, " > ".join(longest)


def test_a_folder_can_be_taken_in_at_a_glance() -> None:
    there = {path.name for path in (ROOT / "gateway").iterdir() if path.name != "__pycache__"}
    assert there == AT_THE_TOP
    crowded = {
        folder.relative_to(ROOT).as_posix(): count
        for package in ("gateway", "sandbox")
        for folder in (ROOT / package).rglob("*")
        if folder.is_dir() and (count := len(list(folder.glob("*.py")))) > MOST_MODULES
    }
    assert not crowded
