"""Run the engine as a process and wait for it."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.errors import BenchError
from bench.load.job import Assignment, Job, Outturn
from bench.load.schedule import Schedule

START_SECONDS = 60.0  # to import and prepare on a crowded machine; a window has its own length on top


ENGINE = (sys.executable, "-m", "bench.load.engine")


def launch(
    job: Job, requests: Sequence[bytes], schedule: Schedule | None = None, *, command: Sequence[str] = ENGINE
) -> Outturn:
    """Drive one window from a process of its own: open loop with a schedule, closed loop without.

    `command` starts the engine, or a variant of it; the folder of its assignment is appended.

    A session of its own keeps the terminal's Ctrl-C from it; it ends with this call, and with this process whatever
    ends that. Raises BenchError when it fails.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        Assignment(job, requests, schedule).save(folder)
        command = [*command, name]
        with (folder / "stderr").open("w+b") as stderr:
            engine = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=stderr, start_new_session=True)
            try:
                status = engine.wait(START_SECONDS + job.lead + job.seconds + job.timeout)
            except subprocess.TimeoutExpired:
                raise BenchError(f"the load engine did not end in time; run it by hand: {' '.join(command)}") from None
            finally:
                engine.kill()
                engine.communicate()
            if status:
                stderr.seek(0)
                raise BenchError(f"the load engine failed: {stderr.read().decode(errors='replace').strip()[-2000:]}")
        return Outturn.load(folder)
