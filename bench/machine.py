"""What a result depends on besides the servers: the machine, the versions, the exact files."""

import contextlib
import hashlib
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from bench.results import Plan
from servelab import environment
from servelab.strategy import Strategy
from shared_models import Model

ROOT = Path(__file__).resolve().parent.parent
ENGINE = ("engine", "launch", "child", "pool", "pacer", "sampler", "tape", "records", "histogram", "schedule", "job")
"""Modules of bench.load that the generator's own cost depends on."""
WORKLOAD = ("concurrency", "seconds", "batch", "workers", "connections")
LIBRARIES = ("numpy", "onnxruntime", "httptools", "uvloop", "orjson", "psutil")


def describe(model: Model, strategies: Sequence[Strategy], plan: Plan) -> dict[str, Any]:
    """The environment of a run, as plain values. Two runs may be compared when their "key" is the same."""
    identity = {"name": model.name, "version": model.version, "sha256": model.card.sha256}
    return {
        "cpu": cpu_model(),
        "cores": cores(),
        "governor": _governor(),
        "memory_mb": round(psutil.virtual_memory().total / 1e6),
        "system": platform.platform(),
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "revision": _revision(),
        "model": identity,
        "locks": {strategy.name: _sha256(environment.of(strategy).requirements) for strategy in strategies},
        "sources": {strategy.name: _sources(strategy.folder) for strategy in strategies},
        "key": {
            "machine": {"cpu": cpu_model(), "cores": cores(), "system": platform.platform(), "governor": _governor()},
            "generator": _generator(),
            "model": identity,
            "workload": {name: getattr(plan, name) for name in WORKLOAD} | {"arrivals": _arrivals(plan)},
        },
    }


def cores() -> int:
    """CPUs that this process may use, where the system tells, else all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def busy(seconds: float = 0.5) -> tuple[float, list[str]]:
    """The share of the machine's CPU time that is used now, and by whom: the three busiest programs."""
    processes = [each for each in psutil.process_iter() if each.pid != os.getpid()]
    for each in processes:
        with contextlib.suppress(psutil.Error):
            each.cpu_percent()
    total = psutil.cpu_percent(seconds) / 100
    used = []
    for each in processes:
        with contextlib.suppress(psutil.Error):
            used.append((each.cpu_percent() / 100, f"{each.name()} ({each.pid})"))
    return total, [name for share, name in sorted(used, reverse=True)[:3] if share > 0.01]


def _generator() -> str:
    """SHA-256 over the Python version and the load engine's own files and libraries."""
    digest = hashlib.sha256(platform.python_version().encode())
    for module in ENGINE:
        digest.update((ROOT / "bench" / "load" / f"{module}.py").read_bytes())
    digest.update(repr([_version(name) for name in ("httptools", "uvloop")]).encode())
    return digest.hexdigest()


def _sources(folder: Path) -> str:
    """SHA-256 over the programs of a strategy."""
    digest = hashlib.sha256()
    for file in sorted([*folder.glob("*.py"), folder / "strategy.toml"]):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def _arrivals(plan: Plan) -> str:
    """The kind of arrivals; a trace by its content, wherever its file is."""
    kind, _, file = plan.arrivals.partition(":")
    return f"trace {_sha256(Path(file))}" if kind == "trace" else plan.arrivals


def _governor() -> str | None:
    """How the first CPU chooses its frequency, where the system tells."""
    file = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    return file.read_text().strip() if file.exists() else None


def cpu_model() -> str:
    """The processor's name, as the system gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _revision() -> str | None:
    """The commit that is checked out, with "+" after it when files differ from it; None outside a git checkout."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=12", "--dirty=+"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _sha256(file: Path) -> str | None:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else None
