"""What the operator's commands do with the certificates of key vaults; the commands are in `commands_certificate`."""
