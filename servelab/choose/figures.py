"""What was measured, as one file of JSON: `bench report` writes it, `servelab choose` reads it.

The dataclasses below are the form: {"format": 1, "runs": [{"model": "mnist", ..., "arms": [{"name": "flask", ...}]}]}.
"""

import json
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, NoReturn

from servelab.contract import read
from servelab.errors import ServelabError
from servelab.paths import ROOT

FILE = ROOT / "docs" / "measured" / "figures.json"
MODELS = {"image": "mnist", "table": "iris"}
"""The shared model whose figures stand for a kind of model."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What all arms of a run were measured on."""

    cpu: str
    cores: int
    memory_mb: int
    system: str
    python: str


@dataclass(frozen=True, slots=True)
class Arm:
    """A strategy in a run: medians over its rounds or boots. None: it cannot be told, or a void row withholds it."""

    name: str
    void: bool
    findings: tuple[str, ...]  # codes of what a reader must know: bench explain CODE
    budget: str  # what its server was given, in words
    processes: int  # of them that worked
    cores: int  # that those could keep busy
    errors: int  # failed requests, of
    requests: int
    cpu_us: float | None  # processor time of the whole server, per prediction
    p50_ms: float | None  # response times at the run's rate, from the intended send time
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    capacity_per_s: float | None  # answers/s of a server that always has work
    rss_mb: float | None
    ready_s: float | None  # from the start to the first prediction


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of several strategies with one model: an open loop of single predictions."""

    folder: str
    model: str
    version: str
    rate: float  # requests/s offered to every arm
    scenario: str
    workers: int  # that each strategy was asked to start
    boots: int
    rounds: int  # per boot
    seconds: float  # per round
    screening: bool  # too few boots for a verdict
    complete: bool
    revision: str  # of this repository; "" when unknown
    machine: Machine
    floor_cpu_us: float  # the plain call in process, without any server
    floor_p50_ms: float
    arms: tuple[Arm, ...]

    def arm(self, name: str) -> Arm | None:
        """That strategy's figures, where it took part."""
        return next((arm for arm in self.arms if arm.name == name), None)


@dataclass(frozen=True, slots=True)
class Figures:
    """Runs, one for each model at most."""

    format: Literal[1]
    runs: tuple[Measured, ...]

    def of(self, kind: str) -> Measured | None:
        """The run that stands for this kind of model, `image` or `table`: of its own model, else of another."""
        return next((run for run in self.runs if run.model == MODELS[kind]), next(iter(self.runs), None))


def load(file: Path = FILE) -> Figures:
    """Read the file. Raises ServelabError that says what was expected, what was found, and how to make such a file."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ServelabError(f"expected a file of figures; cannot read {file}: {error.strerror}. {_MAKE}") from None
    except ValueError as error:
        raise ServelabError(f"{file}: expected a file of figures, in JSON; {error}. {_MAKE}") from None
    return parse(text, file)


def parse(text: str, file: Path) -> Figures:
    """The same from the file's text; ``file`` is for messages alone."""
    try:
        content = json.loads(text, parse_constant=_refuse, object_hook=_revive)
    except (ValueError, RecursionError) as error:
        raise ServelabError(f"{file}: expected a file of figures, in JSON; {error}. {_MAKE}") from None
    if not isinstance(content, dict):
        raise ServelabError(f"{file}: expected an object with the keys format and runs; found {content!r:.60}. {_MAKE}")
    found = read(Figures, content, file)
    for run in found.runs:
        _check_possible(file, run)
        for arm in run.arms:
            _check_possible(file, arm)
    return found


_MAKE = "Make one with: bench report FOLDER --json > my-figures.json"


def _check_possible(file: Path, what: Measured | Arm) -> None:
    name = what.name if isinstance(what, Arm) else what.model
    for field in fields(what):
        value = getattr(what, field.name)
        if isinstance(value, int | float) and (value < 0 or (isinstance(value, float) and value == 0)):
            raise ServelabError(f"{file}: {name}: {field.name} must be above 0; found {value}. {_MAKE}")
        if value == math.inf and not (isinstance(what, Arm) and field.name.endswith("_ms")):
            raise ServelabError(f"{file}: {name}: {field.name} must be finite; found inf. {_MAKE}")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"found {constant}, which is not JSON")


def _revive(content: dict[str, Any]) -> dict[str, Any]:
    """Infinite times, which strict JSON has as a word: so many requests failed."""
    return {key: math.inf if value == "inf" else value for key, value in content.items()}
