"""``make live``: tries on a live tenant and vault what the tests can only try on stand-ins, and clears up after itself.

given.py says what it is given, plan.py what it will make, steps/ what is tried, sweep.py how that is removed, and
answers.py what was seen. Nothing here knows whether it is a cloud or the sandbox that answers.
"""
