"""What all services stand on: the CONNECT proxy and the way of one request through it.

``server.py`` listens; ``connection.py`` is one socket, ``exchanges.py`` one request's way, ``faults.py`` what can go
wrong with it; ``service.py`` is the shape of a service, ``messages.py`` what it is handed and answers.
"""
