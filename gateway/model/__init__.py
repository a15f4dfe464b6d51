"""Nouns and decisions, without input or output: nothing here asks anybody."""
