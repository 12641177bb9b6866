"""One isolated Python environment per strategy, built by uv from its lock file with hashes."""

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import uv

from servelab.errors import EnvironmentFailed
from servelab.paths import ROOT, STRATEGIES, home
from servelab.strategy import REQUIRED_OF_COMPOSED, Strategy, load

MARKER = "complete.json"
UV = os.fsdecode(uv.find_uv_bin())  # of the toolkit's own lock, so every machine builds with the same one
THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment that holds exactly what ``requirements`` locks, and sees the repository's packages."""

    name: str
    requirements: Path
    python: str = THIS_PYTHON

    @property
    def folder(self) -> Path:
        """Where it is built: in place, because a renamed environment has scripts that name the old path."""
        return home() / "envs" / f"{self.name}-py{self.python}"

    @property
    def bin(self) -> Path:
        """The folder of its programs."""
        return self.folder / "bin"

    def ready(self) -> bool:
        """Whether it was built to the end, from this lock, by this Python, on this platform."""
        try:
            return bool(json.loads((self.folder / MARKER).read_text()) == self._identity())
        except (OSError, ValueError):
            return False

    def ensure(self) -> Path:
        """Build it unless it is ready, one process at a time; returns its Python.

        Raises EnvironmentFailed, naming the strategy and what the installer said of which package.
        """
        if not self.ready():
            with self._lock():
                if not self.ready():  # another process may have built it while we waited
                    self._build()
        return self.bin / "python"

    def variables(self) -> dict[str, str]:
        """The process environment of its programs: this machine's, with this Python first and no other's traces."""
        dropped = {"VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__"}
        kept = {key: value for key, value in os.environ.items() if key not in dropped}
        return kept | {"PATH": f"{self.bin}{os.pathsep}{kept.get('PATH', os.defpath)}", "PYTHONUNBUFFERED": "1"}

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with self.folder.with_name(self.folder.name + ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _build(self) -> None:
        identity = self._identity()
        print(f"servelab: installing the environment of {self.name} ({self.requirements})", file=sys.stderr)
        shutil.rmtree(self.folder, ignore_errors=True)
        python = sys.executable if self.python == THIS_PYTHON else self.python
        # No interpreter is fetched behind the user's back: a missing one is an error that names it.
        self._uv("venv", "--no-project", "--no-python-downloads", "--python", python, str(self.folder))
        # Copied, not linked into uv's cache: servers of two environments would share pages, and so each other's memory.
        # Compiled at install: else every start would compile its libraries anew.
        self._uv("pip", "install", "--python", str(self.bin / "python"), "--require-hashes", "--compile-bytecode",
                 "--link-mode", "copy", "--requirements", str(self.requirements))  # fmt: skip
        # uv refuses local paths under --require-hashes, so the repository comes in by a path file.
        packages = self.folder / "lib" / f"python{self.python}" / "site-packages"
        (packages / "servelab.pth").write_text(f"{ROOT}\n")
        (self.folder / MARKER).write_text(json.dumps(identity))

    def _uv(self, *arguments: str) -> None:
        done = subprocess.run([UV, "--quiet", *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise EnvironmentFailed(
                f"the environment of {self.name} could not be built (uv {arguments[0]} exited {done.returncode}):\n"
                f"{done.stderr.strip()}\n"
                f"Check the network and {self.requirements}, then try again; make doctor shows what is missing."
            )

    def _identity(self) -> dict[str, str]:
        try:
            lock = hashlib.sha256(self.requirements.read_bytes()).hexdigest()
        except OSError as error:
            raise EnvironmentFailed(
                f"{self.name} has no lock file: expected {self.requirements} ({error.strerror}); "
                "make it with: make lock-<strategy>, or make lock for the training environment"
            ) from None
        # The .pth names the repository, so a moved checkout is another environment.
        python = platform.python_version() if self.python == THIS_PYTHON else self.python
        return {"lock": lock, "python": python, "platform": f"{sys.platform}-{platform.machine()}", "root": str(ROOT)}


class Toolkit(Environment):
    """The environment that this very program runs in."""

    __slots__ = ()

    @property
    def folder(self) -> Path:
        """Where it is."""
        return Path(sys.prefix)

    def ready(self) -> bool:
        """It runs this line."""
        return True


def of(strategy: Strategy) -> Environment:
    """The environment of a strategy, on the toolkit's own Python where the strategy takes that, else on its newest.

    A strategy without a lock file of its own runs in the toolkit's environment; a folder elsewhere whose lock is that
    of one of strategies/, byte for byte, runs in that one's, and nothing is installed for it.
    """
    if not strategy.requirements.exists() and strategy.required_files == REQUIRED_OF_COMPOSED:
        return toolkit()
    python = THIS_PYTHON if THIS_PYTHON in strategy.python else max(strategy.python)
    folder = strategy.folder
    if folder.parent == STRATEGIES:
        return Environment(folder.name, strategy.requirements, python)
    lock = strategy.requirements.read_bytes() if strategy.requirements.is_file() else b""
    if same := _with_lock(lock, strategy.name):
        return Environment(same.parent.name, same, python)
    # Two folders of one name must not tear down each other's environment.
    return Environment(f"{folder.name}-{hashlib.sha256(lock).hexdigest()[:8]}", strategy.requirements, python)


def _with_lock(lock: bytes, name: str) -> Path | None:
    """The lock file of strategies/ with these bytes; that of the strategy of this name, where it is one."""
    locks = sorted(STRATEGIES.glob("*/requirements.txt"), key=lambda file: (file.parent.name != name, file))
    return next((file for file in locks if file.read_bytes() == lock), None)


def toolkit() -> Environment:
    """The environment that this very program runs in."""
    return Toolkit("toolkit", ROOT / "requirements.txt")


def training() -> Environment:
    """The environment that retrains the shared models: the only one with TensorFlow."""
    return Environment("training", ROOT / "shared_models" / "requirements.txt")


def pipeline(version: str) -> Environment:
    """The environment that compiles, uploads and runs the pipelines of a generation of KFP: ``v1`` or ``v2``.

    Raises EnvironmentFailed for another version.
    """
    folder = ROOT / "pipelines" / version
    if not (folder / "requirements.in").is_file():
        raise EnvironmentFailed(f"expected pipelines/v1 or pipelines/v2; found pipelines/{version}")
    return Environment(f"pipelines-{version}", folder / "requirements.txt")


def named(name: str) -> Environment:
    """The environment of a strategy by its name, or of ``pipelines/v1`` and ``pipelines/v2``."""
    room, _, version = name.rstrip("/").partition("/")
    return pipeline(version) if room == "pipelines" else of(load(name))


def train(models: list[str]) -> int:
    """Retrain shared models (none named: all); returns the exit status."""
    return run_training("shared_models.train", models)


def run_training(module: str, arguments: Sequence[str]) -> int:
    """Run a module of the shared models in the training environment; returns its exit status."""
    env = training()
    command = [str(env.ensure()), "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, env=env.variables(), check=False).returncode
