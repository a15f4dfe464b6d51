"""``keeper-rotation listen``: rotate a record when Key Vault says that a secret it delivers is near its end.

The path that an event takes, one arrow per file::

    Event Hub   ─ hub/          one thread polls, whatever a rotation takes
      → events  ─ events.py     what Event Grid may put into a message, without I/O
      → job     ─ queue.py      workers; one record at a time; tries again later
      → record  ─ records.py    the record whose deliver_to names that secret, from a copy of the vault
      → version ─ versions.py   what the vault holds now: an event about an older version is a duplicate
      → script  ─ run_script.py run as the Gateway would run it
      → outcome ─ dispatch.py   decides all that, on memory.py; health.py shows it; listener.py puts it together

An event's offset is committed once it is dealt with, so a listener that dies loses none: another one reads it again and
finds out from the vault's version whether there is anything left to do.
"""
