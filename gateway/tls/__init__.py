"""TLS secrets: secrets of key vaults that are a certificate with its key, and the records that show them."""
