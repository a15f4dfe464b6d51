"""Records in the Keeper vault: what the rest of the package knows of it.

Keeper's own SDK is behind it: ``sdk.py`` calls it, ``files.py`` and ``folders.py`` do what concerns files and new
records; no other file imports it. Records may come twice.
Source: https://docs.keeper.io/en/keeperpam/secrets-manager/developer-sdk-library/python-sdk
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.errors import Refused, Unclear
from gateway.host.http import Http
from gateway.keeper.files import Files
from gateway.keeper.folders import Folders, NewField, SharedFolder
from gateway.keeper.record import Attachment, VaultRecord
from gateway.keeper.sdk import Keeper


class Vault:
    """The records that the host's Keeper application can see.

    Args:
        config: the Keeper configuration as JSON text (`gateway.keeper.config`).
        http: the session of the run.
    """

    def __init__(self, config: str, http: Http) -> None:
        self._keeper = Keeper(config, http)
        self._files = Files(self._keeper, self.read)
        self._folders = Folders(self._keeper, self.read)

    def read(self, uids: Iterable[str]) -> dict[str, VaultRecord]:
        """The records with these uids that can be read, by uid. No uids: every record.

        Raises:
            CallError
        """
        wanted = list(uids)
        found = self._keeper.call("get_secret", lambda: self._keeper.sdk.get_secrets(wanted))
        records: dict[str, VaultRecord] = {}
        for record in map(VaultRecord, found):
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
        self._keeper.call("update_secret", lambda: self._keeper.sdk.save(record.sdk_record), repeat_unclear=False)

    def attach(
        self, record: VaultRecord, name: str, content: bytes, mime: str = "application/octet-stream"
    ) -> VaultRecord:
        """Attach ``content`` to ``record`` as a new file, and save the record as it stands with it, in one revision.

        Returns the record as it reads now; the one given is not changed. A file of the same name stays beside it.

        Raises:
            Failed: this configuration cannot attach files; nothing was sent.
            NotSent, Refused: the record is as before, also where somebody changed it since it was read.
            HalfAttached: the record may list the file, perhaps without content.
            Unclear: the file is attached, but the record could not be read back.
        """
        return self._files.attach(record, name, content, mime)

    def download(self, record: VaultRecord, attachment: Attachment) -> bytes:
        """The content of a file of ``record``, which must be freshly read: the address in it expires.

        Raises:
            CallError: `Refused` with status 403 or 404 where the file has no content.
            KeyError: the record did not list the file when it was read.
        """
        return self._files.download(record, attachment.uid)

    def detach(self, record: VaultRecord, uids: Iterable[str]) -> VaultRecord:
        """Remove these files from ``record``, and save it as it stands; returns it as it reads now.

        Raises:
            NotSent, Refused, Unclear: as `save`; the record given is not changed.
        """
        return self._files.detach(record, uids)

    def delete(self, uid: str) -> None:
        """Delete a record with its files. One that is gone already is deleted.

        Raises:
            NotSent, Refused: it is as before.
            Unclear: it may be deleted.
        """
        place = "Keeper delete_secret"
        said = self._keeper.call("delete_secret", lambda: self._keeper.sdk.delete_secret([uid]))
        codes = [str(each.get("responseCode") or "") for each in said or [] if each.get("recordUid") == uid]
        if codes == ["ok"] or not self.read([uid]):
            return
        if not codes:
            raise Unclear(place, f"an answer that does not name record {uid}")
        raise Refused(place, 403, codes[0], hint="give the application the right to edit in the shared folder")

    def folders(self) -> list[SharedFolder]:
        """The shared folders that the application sees, and the folders inside them.

        Raises:
            CallError
        """
        return self._folders.all()

    def create(self, folder_uid: str, title: str, record_type: str, fields: Sequence[NewField], notes: str = "") -> str:
        """Create a record in a folder, and return its uid. After a lost answer it is looked for; one is made at most.

        Args:
            fields: label, Keeper's type and value of each. Those without a label of their own (empty, or the type
                itself, such as ``login``) become standard fields, the others custom fields.

        Raises:
            Failed: this configuration cannot create records, the folder cannot be seen, or not be edited.
            NotSent, Refused: no record was made.
            Unclear: a record with the uid in the message may have been made.
        """
        return self._folders.create(folder_uid, title, record_type, fields, notes)

    def check_folder(self, folder_uid: str) -> None:
        """A record can be created there, as far as can be told before it is tried.

        Raises:
            Failed: this configuration cannot create records, or the folder cannot be seen.
            CallError
        """
        self._folders.check(folder_uid)
