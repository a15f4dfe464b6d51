"""Tags by which our versions are known in a key vault; whoever may list secrets can read them."""

RECORD, KEY = "keeper-record", "keeper-key-id"
