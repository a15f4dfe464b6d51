"""Every request with every fault, and what is left behind: ``make night``; the tests run a part of it."""
