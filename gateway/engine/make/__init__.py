"""The four ways in which a new credential comes about, each with what to do when it breaks half-way.

``mint.py`` makes one beside the old ones, ``regenerate.py`` replaces one of two, ``choose.py`` tells a server a value
of ours, ``renew.py`` lets a service make the next one. ``prove.py`` signs in with what was minted, ``idle.py`` says
which of two keys is next, ``others.py`` what other records need. Their shape is ``maker.py`` beside this folder; they
go by ``gathered.py``. No step of the order imports them: a kind's base brings its own.
"""
