"""How the commands of this repository run and fail: one message, a status, and never a traceback for a known error."""

import io
import os
import sys
from collections.abc import Callable
from typing import NoReturn

import shared_models
from servelab.errors import ServelabError
from servelab.server import raise_on_sigterm

KNOWN = (ServelabError, shared_models.ModelError, shared_models.InvalidInput)
FAILED = 2  # as for wrong usage
INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def run(program: str, body: Callable[[], int]) -> NoReturn:
    """Run a command's body and exit with its status; 2 after a known error, 130 when interrupted or terminated."""
    raise_on_sigterm()
    for stream in (sys.stdout, sys.stderr):
        # The answers are Korean and the table has a micro sign, whatever a bare C locale thinks of them.
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() != "utf-8":
            stream.reconfigure(encoding="utf-8")
    try:
        status = body()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except KNOWN as error:
        print(f"{program}: {error}", file=sys.stderr)
        status = FAILED
    except OSError as error:
        print(f"{program}: {error}\nIs the disk full, or SERVELAB_HOME not writable? See make doctor", file=sys.stderr)
        status = FAILED
    except KeyboardInterrupt:
        print(f"{program}: interrupted; every server is stopped", file=sys.stderr)
        status = INTERRUPTED
    sys.exit(status)
