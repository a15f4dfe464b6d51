"""All cells of all sweeps: a starting state, a request and a fault; and some of them, played now."""

from __future__ import annotations

import concurrent.futures
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.sweep import certificate, commands, rotation, tls_secret


@dataclass(frozen=True)
class Grid:
    """One sweep: what is done, and its cells, each with its starting state, request and fault."""

    name: str
    cells: tuple[Any, ...]
    parts: Callable[[Any], tuple[str, str, str]]
    judge: Callable[[Any], Sequence[str]]
    """what is wrong with a cell, once it and the plain run after it were played"""

    def figures(self) -> dict[str, int]:
        """How many of each."""
        states, requests, faults = (set(column) for column in zip(*map(self.parts, self.cells), strict=True))
        return {"states": len(states), "requests": len(requests), "faults": len(faults), "cells": len(self.cells)}


def _of_rotation(cell: rotation.Case) -> tuple[str, str, str]:
    return cell.scene, f"{cell.operation} {cell.nth}", cell.fault


def _of_one_state(cell: tuple[str, int, str]) -> tuple[str, str, str]:
    return "", f"{cell[0]} {cell[1]}", cell[2]


def _of_command(cell: commands.Case) -> tuple[str, str, str]:
    return cell[0], f"{cell[1]} {cell[2]}", cell[3]


def _judge_rotation(cell: rotation.Case) -> list[str]:
    return rotation.judge(cell).wrong


def _judge_certificate(cell: tuple[str, int, str]) -> list[str]:
    return certificate.judge(cell).wrong


def grids() -> list[Grid]:
    """Every sweep that ``make night`` plays."""
    return [
        Grid("rotation of an app secret", tuple(rotation.cases(list(rotation.SCENES))), _of_rotation, _judge_rotation),
        Grid("renewal of a certificate", tuple(certificate.cases()), _of_one_state, _judge_certificate),
        Grid("record that follows a TLS secret", tuple(tls_secret.cases()), _of_one_state, tls_secret.judge),
        Grid("command that changes something", tuple(commands.cases()), _of_command, commands.judge),
    ]


def play(grid: Grid, share: float, seed: int, jobs: int) -> Iterator[Sequence[str]]:
    """What is wrong with each cell of a random share of the grid, one cell at least where there is a share."""
    number = min(len(grid.cells), max(1, round(share * len(grid.cells)))) if share else 0
    chosen = random.Random(seed).sample(grid.cells, number)
    with concurrent.futures.ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(grid.judge, chosen)
