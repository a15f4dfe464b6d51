"""The operator's command, which gets SIGINT from itself as soon as it has written a file.

Run by its path, with the command's words behind it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.__main__ import main


def then_interrupted(call: Callable[..., Any]) -> Callable[..., Any]:
    """``call``, and the signal."""

    def run(*given: Any, **more: Any) -> Any:
        result = call(*given, **more)
        os.kill(os.getpid(), signal.SIGINT)
        return result

    return run


if __name__ == "__main__":
    os.link, os.replace = then_interrupted(os.link), then_interrupted(os.replace)
    Path.write_bytes = then_interrupted(Path.write_bytes)  # type: ignore[method-assign]
    main()
