"""What a result depends on besides the servers: the machine, the versions, the exact files."""

import hashlib
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

from servelab.strategy import Strategy
from shared_models import Model

ROOT = Path(__file__).resolve().parent.parent
LIBRARIES = ("numpy", "onnxruntime", "httptools", "uvloop", "orjson", "psutil")


def describe(model: Model, strategies: Iterable[Strategy]) -> dict[str, Any]:
    """The environment of a run, as plain values for its run.json."""
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "memory_mb": round(psutil.virtual_memory().total / 1e6),
        "system": platform.platform(),
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "revision": _revision(),
        "model": {"name": model.name, "version": model.version, "sha256": model.card.sha256},
        "locks": {strategy.name: _sha256(strategy.requirements) for strategy in strategies},
    }


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
