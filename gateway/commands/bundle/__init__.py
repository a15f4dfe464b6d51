"""`keeper-rotation bundle`: a script and the package that it opens, in a single file."""
