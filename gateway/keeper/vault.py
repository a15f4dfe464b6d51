"""Records in the Keeper vault: what the rest of the package knows of it.

Keeper's own SDK is behind it: ``sdk.py`` calls it, and so do ``files.py`` and ``folders.py``, for files and for new
records; no other file imports it. Records may come twice.
Source: https://docs.keeper.io/en/keeperpam/secrets-manager/developer-sdk-library/python-sdk
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.errors import Refused, Unclear
from gateway.host.http import Http
from gateway.keeper.record import VaultRecord
from gateway.keeper.sdk import Keeper


class Vault:
    """The records that the host's Keeper application can see.

    Args:
        config: the Keeper configuration as JSON text (`gateway.keeper.config`).
        http: the session of the run.
    """

    def __init__(self, config: str, http: Http) -> None:
        self.keeper = Keeper(config, http)

    def read(self, uids: Iterable[str]) -> dict[str, VaultRecord]:
        """The records with these uids that can be read, by uid. No uids: every record.

        Raises:
            CallError
        """
        wanted = list(uids)
        records: dict[str, VaultRecord] = {}
        for record in map(VaultRecord, self.keeper.records(wanted)):
            # A record that is shared both directly and by its folder comes twice, perhaps with different rights.
            if record.uid not in records or record.editable:
                records[record.uid] = record
        return records

    def save(self, record: VaultRecord) -> None:
        """Save ``record`` over the revision that it was read at; a save that may have happened is not repeated here.

        Raises:
            NotSent, Refused, Unclear
        """
        record.sdk_record.raw_json = record.content()
        self.keeper.call("update_secret", lambda: self.keeper.sdk.save(record.sdk_record), repeat_unclear=False)

    def delete(self, uid: str) -> None:
        """Delete a record with its files. One that is gone already is deleted.

        Raises:
            NotSent, Refused: it is as before.
            Unclear: it may be deleted.
        """
        where = "Keeper delete_secret"
        said = self.keeper.call("delete_secret", lambda: self.keeper.sdk.delete_secret([uid]))
        codes = [str(each.get("responseCode") or "") for each in said or [] if each.get("recordUid") == uid]
        if codes == ["ok"] or not self.read([uid]):
            return
        if not codes:
            raise Unclear(where, f"an answer that does not name record {uid}")
        raise Refused(where, 403, codes[0], hint="give the application the right to edit in the shared folder")
