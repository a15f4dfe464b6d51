"""Keeper: its wire protocol with its cryptography, and the vault behind it."""
