"""What a server was given to work with, read from its running processes: unequal budgets make no fair comparison.

What a contestant says of itself is not asked: a framework starts the workers and threads that it likes.
"""

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import psutil

from bench.resources import Spent

WORKER_SHARE: Final = 0.1  # of the busiest process's CPU time: less is a master that only watches
LINE: Final = 20  # bytes: the shortest line of an access log has a method, a path and a status
NATIVE_THREADS: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "ORT_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
DEFAULT: Final = "default"


@dataclass(frozen=True, slots=True)
class Budget:
    """What one boot of a server ran on. Threads and keep-alive come with a framework and are shown, not compared."""

    workers: int  # processes that did a worker's share of the work
    cpus: int  # that those may run on
    native_threads: str  # as declared in the environment that the workers were started with
    access_log: bool  # a line is written for each request
    threads: int  # of all workers
    keep_alive: bool  # a connection serves more than one request

    @property
    def group(self) -> tuple[str, ...]:
        """The part that must be equal for a comparison, in words."""
        return (
            f"{self.workers} worker{'s' * (self.workers > 1)}",
            f"{self.cpus} CPU{'s' * (self.cpus > 1)}",
            f"native threads {self.native_threads}",
            f"{'an' if self.access_log else 'no'} access log",
        )

    def describe(self) -> str:
        """All of it in one line."""
        kept = "keep-alive" if self.keep_alive else "a connection per request"
        return ", ".join((*self.group, f"{self.threads} thread{'s' * (self.threads != 1)}", kept))


def read(
    cpu_before: Mapping[int, Spent],
    cpu_after: Mapping[int, Spent],
    log_growth_bytes: int,
    requests: int,
    *,
    connection_kept: bool,
) -> Budget:
    """The budget of a server, from what its processes did in a window of so many requests.

    `cpu_before` and `cpu_after` as resources.cpu_ns reads them at both ends of the window, of the processes that the
    server has then: workers may be others by its end. What a master has reaped is its workers' work, not its own.
    """
    spent = {pid: after.own - (cpu_before[pid].own if pid in cpu_before else 0) for pid, after in cpu_after.items()}
    most = max(spent.values(), default=0)
    workers = [process for pid in spent if spent[pid] >= WORKER_SHARE * most and (process := _process(pid))]
    return Budget(
        workers=max(1, len(workers)),
        cpus=len(set().union(*(_cpus(process) for process in workers)) or _all_cpus()),
        native_threads=_native_threads(workers),
        access_log=log_growth_bytes >= LINE * requests > 0,
        threads=sum(_threads(process) for process in workers),
        keep_alive=connection_kept,
    )


def over(boots: Sequence[Budget]) -> Budget:
    """The budget of an arm over its boots: the most workers seen, for one that got no connection did no work."""
    return replace(max(boots, key=lambda boot: boot.workers), access_log=any(boot.access_log for boot in boots))


def groups(budgets: Mapping[str, Budget]) -> list[tuple[str, list[str]]]:
    """The arms by equal budgets, in the order of the arms: in words what sets a group apart, and its arms.

    One group has nothing to set it apart: its words are empty.
    """
    arms: dict[tuple[str, ...], list[str]] = {}
    for arm, budget in budgets.items():
        arms.setdefault(budget.group, []).append(arm)
    differ = [len(set(words)) > 1 for words in zip(*arms, strict=True)]
    return [
        (", ".join(word for word, differs in zip(group, differ, strict=True) if differs), names)
        for group, names in arms.items()
    ]


def _process(pid: int) -> psutil.Process | None:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid)
    return None


def _cpus(process: psutil.Process) -> set[int]:
    if hasattr(process, "cpu_affinity"):  # macOS has none
        with contextlib.suppress(psutil.Error):
            return set(process.cpu_affinity() or ())
    return _all_cpus()


def _all_cpus() -> set[int]:
    return set(range(os.cpu_count() or 1))


def _threads(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        return process.num_threads()
    return 0


def _native_threads(workers: Sequence[psutil.Process]) -> str:
    """The declared limits of native thread pools; libraries without one take as many threads as there are CPUs."""
    declared: set[str] = set()
    for process in workers:
        with contextlib.suppress(psutil.Error, OSError):
            environ = process.environ()
            declared |= {f"{name}={environ[name]}" for name in NATIVE_THREADS if name in environ}
    return " ".join(sorted(declared)) or DEFAULT
