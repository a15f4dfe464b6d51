"""What surrounds the client secrets of an app registration: its owners, its tenant's restrictions, its principal."""
