"""What it costs: ``make bench``."""
