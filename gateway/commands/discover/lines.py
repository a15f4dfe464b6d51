"""The lines for Commander about what was discovered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from gateway.commands.batch import Batch, waits
from gateway.commands.discover.known_records import KnownItem
from gateway.commands.shared.new_records import new_record
from gateway.commands.shared.output import counted, note
from gateway.keeper.record import VaultRecord
from gateway.kinds.registry import ROTATED, of_target
from gateway.model.kind_facts import KindFacts

Line = tuple[str, str, KindFacts]


def write_lines(
    batch: Batch, rows: Sequence[KnownItem], records: Mapping[str, VaultRecord], configuration_uid: str
) -> None:
    """For the records that this run made, and those of an earlier one that wait for their script.

    Args:
        records: as they were before, by uid.

    Raises:
        Incomplete: the file cannot be written any more.
    """
    if found := {line[0]: line for line in _lines(rows, records)}:
        batch.write(list(found.values()), configuration_uid)
        note(f"lines for {counted(len(found), 'record')} written to {batch.path}")
    else:
        note(f"{batch.path} was not written: no record waits for its script")


def _lines(rows: Iterable[KnownItem], records: Mapping[str, VaultRecord]) -> Iterator[Line]:
    for row in rows:
        facts = of_target(row.item.label)
        if row.made and facts in ROTATED:
            yield row.made, new_record(row.item).title, facts
        for record in (records[uid] for uid in row.records if uid in records):
            if record.value(row.item.label) and waits(record) is facts:
                yield record.uid, record.title, facts
