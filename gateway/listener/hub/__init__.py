"""The Event Hub: ``consumer.py`` polls it, on the sign-in of ``sign_in.py``.

``offsets.py`` keeps the order of messages, ``lag.py`` shows how far behind we are, ``outage.py`` what is wrong with it.
"""
