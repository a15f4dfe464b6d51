"""How long a test waits for what has to happen: longer on a busy machine.

What must not happen, and pauses that are part of a story, are waited for as long as they are.
"""

from __future__ import annotations

import os


def seconds(usual: float, most: float = 10.0) -> float:
    """``usual``, times the processes that share a core of this machine now, but not more than ``most`` times."""
    share = os.getloadavg()[0] / (os.cpu_count() or 1)
    return usual * min(max(1.0, share), most)
