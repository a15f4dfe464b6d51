"""Entra: the tenant, signing in, tokens, and the managed identity of a host."""
