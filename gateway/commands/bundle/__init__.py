"""`keeper-rotation bundle`: a script and the package that it opens, in one file."""
