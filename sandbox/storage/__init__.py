"""Storage accounts: their keys, and blobs whose requests are signed with them."""
