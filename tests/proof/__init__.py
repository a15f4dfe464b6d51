"""``make proof``: how the promises are tried, counted and played now, as docs/proof.md and docs/proof.json.

``cells.py`` knows the tables of all sweeps and plays some cells of each, ``schedules.py`` plays the simulation,
``suite.py`` collects the tests and runs the mutations, ``verdicts.py`` says which promise a complaint is about, and
``page.py`` writes. No number is typed: each is counted by running or collecting.
"""
