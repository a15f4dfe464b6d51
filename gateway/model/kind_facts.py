"""What one kind of credential is, as plain data; ``kinds/registry.py`` has a row for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.model.credential import DeliveryForm
from gateway.model.fields import Field

_OF_KEEPER = ("NOOP", "Private Key Type")


@dataclass(frozen=True)
class Outputs:
    """The labels of the fields that a rotation writes."""

    key_id: str = ""
    value: str = ""
    expires: str = "expires"


@dataclass(frozen=True)
class KindFacts:
    """A kind of credential, or of what a record shows.

    ``fields``, ``other_targets`` and ``in_use`` are filled in by the registry, which knows the other kinds.
    """

    name: str
    """of its script; where there is none, of the command that keeps its records"""
    implementation: str
    """module and class, which are imported only where they are asked for; empty where nothing is run"""
    delivery_form: DeliveryForm
    """how a secret of this kind is called where it is delivered to; what only a target knows is empty"""
    noun: str = ""
    """what a person calls the target"""
    target: str = ""
    """label of the field that names what a record stands for"""
    outputs: Outputs = Outputs()
    more: tuple[str, ...] = ()
    """labels of further fields that not every kind has"""
    defaults: Mapping[str, str] = field(default_factory=dict)
    """fields whose default is another one for this kind"""
    title: str = ""
    """of a new record, with the target's ``{name}`` and ``{where}`` it is"""
    wishes: Mapping[str, str] = field(default_factory=dict)
    """what a new record asks for"""
    shows_pending: bool = False
    """whether a new record has a placeholder in the fields that the first rotation writes"""
    fields: tuple[Field, ...] = ()
    """all that a record may have, in the order of the table"""
    other_targets: Mapping[str, str] = field(default_factory=dict)
    """by which labels records name targets of other kinds, and the scripts of these; none where nothing is run"""
    in_use: tuple[str, ...] = ()
    """labels of fields that a record has which stands for something, be it without any target"""

    @property
    def script(self) -> str:
        """Its script, where ``keeper-rotation scripts`` and this repository put it."""
        return f"scripts/{self.name}.py"

    def own(self) -> frozenset[str]:
        """Labels of the fields that not every kind has."""
        return frozenset({self.target, self.outputs.key_id, self.outputs.value, *self.more} - {""})

    def has(self, label: str) -> bool:
        """Whether a record of this kind may have a field with this label."""
        return any(each.label == label for each in self.fields)

    def inputs(self) -> list[str]:
        """Labels of the fields by which a person says what is wanted of a script; the others are Keeper's."""
        return [each.label for each in self.fields if not each.written and each.label not in _OF_KEEPER]

    def used_for(self, value: Callable[[str], str]) -> list[str]:
        """The fields that say that a record, read by ``value``, stands for something else than one of this kind."""
        labels = (*self.other_targets, *(() if value(self.target).strip() else self.in_use))
        return [label for label in labels if value(label).strip()]
