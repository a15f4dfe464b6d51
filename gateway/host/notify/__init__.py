"""Telling people how a run ended: what, and whom."""
