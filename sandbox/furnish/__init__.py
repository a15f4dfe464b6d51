"""What an operator would have set up before the first rotation: one file per subject."""
