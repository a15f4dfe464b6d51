"""What comes from outside, made up: only the project's own clean errors, and an end; ``corpus/`` keeps what broke."""
