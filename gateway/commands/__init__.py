"""The operator's command line: what can be asked for; each command is imported only when it is."""
