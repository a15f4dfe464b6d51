"""How long Entra's replicas disagree about a client secret that was made, and one that was removed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from time import monotonic, sleep

from gateway.azure.entra import WRONG_SECRETS, Entra, aadsts
from gateway.azure.graph import Application, Graph
from gateway.errors import Failed, Refused
from gateway.secret import Secret
from tests.live.answers import Answers
from tests.live.ground import Ground

_IN_A_ROW = 10  # so many alike are taken for the end of it
_PAUSE = 0.5


@dataclass(frozen=True)
class Turn:
    """From a change until all replicas know it: seconds to the first that does, and to the last that does not."""

    first: float | None
    last_other: float
    settled: bool


def measure(ground: Ground, answers: Answers) -> None:
    """How long until a new client secret signs in, and an ended one does not."""
    graph = ground.graph()
    app = ground.app(graph)
    made, ended = [], []
    for _ in range(ground.given.rounds):
        if turns := _round(ground, graph, app):
            made.append(turns[0])
            ended.append(turns[1])
    if not made:
        return answers.skip("E1", "no round, or an app that cannot sign in: it has no service principal")
    answers.facts["new secret"] = [vars(each) for each in made]
    answers.facts["ended secret"] = [vars(each) for each in ended]
    again, still = (max(each.last_other for each in turns) for turns in (made, ended))
    text = (
        f"new secrets: {len(made)}, which signed in after {_said(made)}; the last refusal was after {again:.1f} s. "
        f"Ended, they were refused after {_said(ended)}; the last one that signed in did so after {still:.1f} s"
    )
    answers.settle("E1", text, ok=all(each.settled for each in (*made, *ended)))


def _said(turns: list[Turn]) -> str:
    seconds = [each.first for each in turns if each.first is not None]
    missing = f", {len(turns) - len(seconds)} never" if len(seconds) < len(turns) else ""
    told = f"{min(seconds):.1f} to {max(seconds):.1f} s (median {median(seconds):.1f})" if seconds else "no time"
    return told + missing


def _round(ground: Ground, graph: Graph, app: Application) -> tuple[Turn, Turn] | None:
    ends = ground.http.now() + timedelta(days=1)
    minted = graph.add_password(app.object_id, ground.name("lag"), ends)

    entra = ground.entra()

    def signs_in() -> bool | None:
        return _signs_in(entra, app, minted.value)

    made = _watch(ground, signs_in, True)
    _end(ground, lambda: graph.remove_password(app.object_id, minted.key_id))
    ended = _watch(ground, signs_in, False) if made else None
    return (made, ended) if made and ended else None


def _end(ground: Ground, remove: Callable[[], bool]) -> None:
    """Remove it; a replica may not know yet what is to be removed."""
    until = monotonic() + ground.given.seconds
    while not remove():
        if monotonic() > until:
            raise Failed("Graph does not know a client secret that it has made; it will be looked for at the end")
        sleep(_PAUSE)


def _watch(ground: Ground, signs_in: Callable[[], bool | None], wanted: bool) -> Turn | None:
    """Ask, each time on a connection of its own, until ten answers in a row are the wanted one."""
    first: float | None = None
    began, last_other, alike = monotonic(), 0.0, 0
    while alike < _IN_A_ROW and monotonic() - began < ground.given.seconds:
        answer, at = signs_in(), monotonic() - began
        if answer is None:
            return None
        first = round(at, 2) if answer is wanted and first is None else first
        last_other = last_other if answer is wanted else at
        alike = alike + 1 if answer is wanted else 0
        sleep(0 if answer is wanted else _PAUSE)
    return Turn(first, round(last_other, 2), alike == _IN_A_ROW)


def _signs_in(entra: Entra, app: Application, secret: Secret) -> bool | None:
    """None: this app cannot sign in at all."""
    try:
        entra.accepts(app.client_id, secret)
    except Refused as error:
        return False if aadsts(error) in WRONG_SECRETS else None
    return True
