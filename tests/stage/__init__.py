"""What tests run on: a furnished sandbox, the operator's command, and servers and tools of others."""
