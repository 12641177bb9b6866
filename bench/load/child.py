"""What the bench's own processes have in common: which loop they run, and that they end with their parent."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable


def loop_factory(uvloop: bool) -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop where it is wanted and installed (a third of the CPU time per request), else asyncio."""
    if uvloop:
        try:
            import uvloop as installed
        except ImportError:
            pass
        else:
            return installed.new_event_loop
    return asyncio.new_event_loop


def end_with_parent() -> None:
    """The parent holds the other end of stdin and writes nothing: end-of-file says that it has gone."""
    threading.Thread(target=_await_end, daemon=True).start()


def _await_end() -> None:
    while os.read(sys.stdin.fileno(), 1):  # unbuffered: a lock held here would break the end of the interpreter
        pass
    os._exit(1)
