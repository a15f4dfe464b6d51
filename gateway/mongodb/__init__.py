"""MongoDB: where an administrator's login may be used (``address.py``), and what is asked there (``server.py``)."""
