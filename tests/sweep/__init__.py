"""Every request with every fault, and what is left behind: ``make sweep``; the tests run a part of it."""
