"""Handing the published secret to everyone who needs it: side by side, each on its own, and never to a dead end.

A destination that cannot be served keeps what it holds, and nothing is removed while a required one does so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from gateway.deliveries.base import Delivery, DeliveryContext, Denied, Destination, comparable_address
from gateway.errors import PERMISSION_HINT, CallError, Failed, RotationError, Unclear, missing_package
from gateway.host.background import Background

T = TypeVar("T")
UNKNOWN = ""
"""for a generation: what a destination holds that others have written to"""


class Deliveries:
    """The destinations of one record, with what they are known to hold.

    Args:
        destinations: today's lines of ``deliver_to``.
        holds: the generation last confirmed at each address, from the ledger.
    """

    def __init__(self, destinations: list[Destination], holds: dict[str, str], context: DeliveryContext) -> None:
        self._destinations = destinations
        self._context = context
        self._deadline = context.deadline
        noted = {comparable_address(address): generation for address, generation in holds.items()}
        keys = {destination.address: comparable_address(destination.address) for destination in destinations}
        self.holds = {address: noted[key] for address, key in keys.items() if key in noted}
        self.warnings: list[str] = []
        self.problems: dict[str, Failed] = {}
        """what was found wrong with a destination when it was asked, by its address"""

    @property
    def required(self) -> list[Destination]:
        """Those without which a rotation is not complete."""
        return [destination for destination in self._destinations if not destination.optional]

    def open(self, generation: str, *, required: bool = False) -> list[Destination]:
        """The destinations that are not known to hold this generation; only the required ones, if asked for."""
        return [
            destination
            for destination in self._destinations
            if self.holds.get(destination.address) != generation and not (required and destination.optional)
        ]

    def take_values(self) -> bool:
        """Whether any of them is handed the secret itself."""
        return any(destination.takes_value for destination in self._destinations)

    def holding(self, generation: str) -> list[str]:
        """The addresses at which this generation was confirmed."""
        return [address for address, held in self.holds.items() if held == generation]

    def held(self) -> set[str]:
        """Generations that a required destination holds."""
        return {self.holds[each.address] for each in self.required if each.address in self.holds}

    def may_hold(self, generation: str) -> None:
        """Whatever was noted, each that was ever served may hold this one by now, and is served again."""
        self.holds = dict.fromkeys(self.holds, generation)

    def was_changed(self, destination: Destination) -> None:
        """Others have written to it: it is served again, and until then it may hold any."""
        self.holds[destination.address] = UNKNOWN

    def check(self, destinations: Iterable[Destination] | None = None) -> list[tuple[Destination, Failed]]:
        """Ask these destinations, or all, before anything is made; what is wrong with required ones, all at once."""
        problems: list[tuple[Destination, Failed]] = []
        asked = self._destinations if destinations is None else destinations
        for destination, running in self._begin(asked, self._check):
            try:
                self.warnings += running.result()
            except Exception as error:  # an answer of any shape must not end the run
                problem = self.problems[destination.address] = _problem(destination, error)
                if destination.optional:
                    self.warnings.append(str(problem))
                else:
                    problems.append((destination, problem))
        return problems

    def _check(self, destination: Destination) -> list[str]:
        try:
            warnings = destination.check(self._context)
        except Denied as error:
            if destination.address not in self.holds:
                raise
            warnings = [f"{error}; it was delivered to before, so it is tried"]
        destination.observe(self._context)
        return warnings

    def drifted(self, delivery: Delivery) -> list[Destination]:
        """Those that were served with this, and show another value by now, where that can be read."""
        served = [each for each in self._destinations if self.holds.get(each.address) == delivery.generation]
        asked = self._begin(served, lambda each: each.shows(self._context, delivery))
        found = []
        for destination, running in asked:
            try:
                if running.result(self._deadline.for_work()) is False:
                    found.append(destination)
            except Exception as error:  # what cannot be read is not known to be another value
                self.warnings.append(str(_problem(destination, error)))
        return found

    def serve(self, delivery: Delivery, destinations: Iterable[Destination]) -> list[tuple[Destination, Failed]]:
        """Deliver to all of these; those that could not be served, with the reason.

        What hands on the address of a Key Vault version is served after the Key Vault destinations.
        """
        waves: tuple[list[Destination], list[Destination]] = ([], [])
        for destination in destinations:
            waves[destination.needs_key_vault].append(destination)
        versions = {**delivery.versions, **dict(self._known_versions(delivery))}
        failures = self._wave(delivery, waves[0], versions)
        if not versions and any(each.holds_versions and not each.optional for each in self._destinations):
            return failures + waiting(waves[1])
        return failures + self._wave(replace(delivery, versions=versions), waves[1], versions)

    def _wave(
        self, delivery: Delivery, destinations: list[Destination], versions: dict[str, str]
    ) -> list[tuple[Destination, Failed]]:
        failures = []
        for destination, running in self._begin(destinations, lambda each: each.deliver(self._context, delivery)):
            try:
                receipt = running.result(self._deadline.for_work())
            except TimeoutError:
                late = Unclear(destination.address, "not done when the run's time was over")
                failures.append((destination, _problem(destination, late)))
            except Exception as error:  # the others are served, and the ledger is saved
                failures.append((destination, _problem(destination, error)))
            else:
                self.holds[destination.address] = delivery.generation
                self.warnings += receipt.warnings
                if receipt.address.startswith("https://"):
                    versions[destination.address] = receipt.address
        return failures

    def _known_versions(self, delivery: Delivery) -> Iterable[tuple[str, str]]:
        """Where this secret lies already: the vault's address without a version shows it too."""
        for destination in self._destinations:
            served = self.holds.get(destination.address) == delivery.generation
            if served and destination.holds_versions:
                yield destination.address, destination.address

    def after_retirement(self, delivery: Delivery, removed: list[str]) -> None:
        """Tell all destinations which secrets are dead now; what fails is a warning."""
        destinations = self._destinations if removed else []
        for _, running in self._begin(
            destinations, lambda each: each.after_retirement(self._context, delivery, removed)
        ):
            try:
                running.result(self._deadline.for_work())
            except (RotationError, CallError, TimeoutError) as error:
                self.warnings.append(f"older versions are still enabled: {error}")

    def _begin(
        self, destinations: Iterable[Destination], call: Callable[[Destination], T]
    ) -> list[tuple[Destination, Background[T]]]:
        return [(destination, Background(partial(call, destination))) for destination in destinations]


def waiting(destinations: Iterable[Destination]) -> list[tuple[Destination, Failed]]:
    """Those that hand on the address of a Key Vault secret which is not there yet, with that as the reason."""
    why = "waits for the Key Vault secret whose address it hands on"
    return [(each, Failed(f"{each.address}: {why}", "see the other errors")) for each in destinations]


def _problem(destination: Destination, error: Exception) -> Failed:
    """The error of one destination, naming it, and what would allow it."""
    if isinstance(error, ImportError):
        error = missing_package(error)
    elif not isinstance(error, (RotationError, CallError)):
        # Its text may quote the answer, so only its type is told.
        error = Unclear(destination.address, f"an answer that cannot be read ({type(error).__name__})")
    what = str(error) if destination.address in str(error) else f"{destination.address}: {error}"
    return Failed(what, destination.rights if error.hint == PERMISSION_HINT else error.hint)
