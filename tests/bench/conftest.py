"""Lab servers with faults on order; each ends with its test."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.bench.lab import LabServer

settings.register_profile("any machine", deadline=None)  # an example may take as long as a crowded machine makes it
settings.load_profile("any machine")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Callable[..., LabServer]]:
    """`lab(cut_every=10)` starts a server with that fault; `lab(log=True)` one that writes down what it receives."""
    program = Path(__file__).with_name("lab_server.py")
    with ExitStack() as stack:

        def start(**options: Any) -> LabServer:
            log = str(tmp_path) if options.pop("log", False) else ""
            command = [sys.executable, str(program), json.dumps(options | {"log": log})]
            process = stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            stack.callback(process.kill)
            assert process.stdout is not None
            return LabServer(int(process.stdout.readline()), process.pid, log)

        yield start
