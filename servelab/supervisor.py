"""Runs one server, and stops everything that it started when told to, or when whoever asked for it is gone.

A small standard-library program, so that it starts at once and nothing in it can fail for want of a package:

    python -I -S supervisor.py

Standard input is a pipe held by the parent. Its first line is the job (not an argument: the environment in it is for
nobody else to read): {"command": [...], "cwd": ..., "env": {...}, "log": ..., "stop": ..., "grace": ...}
and perhaps "scratch", a folder of this server alone, which is removed after it.
Its end, also by the parent's kill -9, means stop.
Standard output tells, a line of JSON each, {"started": pid} and {"exited": status} of the server's main process.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

COOKIE = "SERVELAB_COOKIE"
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
TERM_TO_KILL = 3.0  # seconds that a straggler has between its SIGTERM and its SIGKILL
GIVE_UP = 5.0  # seconds to wait for killed processes: one in uninterruptible sleep cannot be waited for


def main() -> int:
    """Run the server that the job describes, until it exits or we are told to stop."""
    line = sys.stdin.buffer.readline()
    if not line:
        return 0  # the parent died at once
    job = json.loads(line)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # only to wake up
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))

    try:
        _supervise(job, read, asked)
    finally:
        if scratch := job.get("scratch"):
            import shutil  # on use: it is slow to import, and most jobs have nothing to remove

            shutil.rmtree(scratch, ignore_errors=True)
    return 0


def _supervise(job: dict[str, Any], read: int, asked: list[int]) -> None:
    program = _start(job)  # kept: a Popen that goes away collects its process, if that has ended, and tells nobody
    main_pid = program.pid
    _tell(started=main_pid)
    status = None
    while status is None and not asked:
        readable, _, _ = select.select([sys.stdin, read], [], [])
        if read in readable:
            os.read(read, 4096)
            status = _reap().get(main_pid)
        if sys.stdin in readable:
            break
    if status is None:
        _stop(main_pid, job)
    else:
        _tell(exited=status)
    _stop_stragglers(job)


def _start(job: dict[str, Any]) -> subprocess.Popen[bytes]:
    log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) if job["log"] else 2
    try:
        return subprocess.Popen(
            job["command"],
            cwd=job["cwd"],
            env=job["env"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            # Should even this supervisor be killed, the main process hears of it.
            preexec_fn=lambda: _prctl(PR_SET_PDEATHSIG, signal.SIGTERM),
        )
    except OSError as error:
        os.write(log, f"servelab: cannot start {job['command'][0]}: {error}\n".encode())
        _tell(exited=127)
        sys.exit(0)


def _stop(main_pid: int, job: dict[str, Any]) -> None:
    """SIGTERM as the strategy wants it, then wait until nothing lives, at most the grace."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if job["stop"] == "group":
            os.killpg(main_pid, signal.SIGTERM)
        elif main_pid in _descendants(job):
            os.kill(main_pid, signal.SIGTERM)
    _gone(job, job["grace"])


def _stop_stragglers(job: dict[str, Any]) -> None:
    """SIGTERM, then SIGKILL, to whatever still lives: of a crashed server, or past the grace of a stopped one."""
    for number, seconds in ((signal.SIGTERM, TERM_TO_KILL), (signal.SIGKILL, GIVE_UP)):
        for pid in _descendants(job):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        if _gone(job, seconds):
            return


def _gone(job: dict[str, Any], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    pause = 0.01  # longer each time: a look at every process is not free
    # A zombie is waited for, too: one whose threads still end cannot be collected yet, and not every container's first
    # process would do that for us.
    while _descendants(job) or _has_child():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(2 * pause, 0.1)
    return True


def _has_child() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


def _reap() -> dict[int, int]:
    """Collect the children that have ended, adopted ones too: pid -> exit status, negative for a signal."""
    ended = {}
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended[found[0]] = os.waitstatus_to_exitcode(found[1])
    return ended


def _descendants(job: dict[str, Any]) -> set[int]:
    """Every live process that the server started: our children's children, and who carries our cookie."""
    _reap()
    parents = _parents()
    cookie = f"{COOKIE}={job['env'][COOKIE]}".encode()
    found: set[int] = set()
    frontier = {os.getpid()}
    while frontier:
        frontier = {pid for pid, parent in parents.items() if parent in frontier} - found
        found |= frontier
    return found | {pid for pid in parents if pid != os.getpid() and _carries(pid, cookie)}


def _parents() -> dict[int, int]:
    """The parent of each process, zombies left out: from /proc, or from ps where there is none (macOS)."""
    found = {}
    if not Path("/proc/self/stat").exists():
        with subprocess.Popen(["ps", "-axo", "pid=,ppid=,stat="], stdout=subprocess.PIPE, text=True) as ps:
            rows = [line.split() for line in ps.communicate()[0].splitlines()]
        return {int(pid): int(parent) for pid, parent, state in rows if state[0] != "Z" and int(pid) != ps.pid}
    for entry in os.listdir("/proc"):  # noqa: PTH208 - names alone, many times a second
        if entry.isdigit():
            with contextlib.suppress(OSError):
                state, parent = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    found[int(entry)] = int(parent)
    return found


def _carries(pid: int, cookie: bytes) -> bool:
    try:
        return cookie in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _prctl(option: int, value: int) -> None:
    with contextlib.suppress(OSError, AttributeError):  # Linux only; elsewhere parentage has to do
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _tell(**event: int) -> None:
    with contextlib.suppress(OSError):  # the parent may be gone
        os.write(1, json.dumps(event).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
