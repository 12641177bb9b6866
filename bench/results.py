"""A run as values, and the folder that keeps it.

    results/<UTC time>-<model>/
        journal.jsonl           one line for each thing that is known, written when it is known; never rewritten
        schedules/<round>.npy   the intended send times of each round, in seconds
        rounds/<round>-<attempt>-<arm>.npz   the stamps of every request of a turn (unless --no-raw)
        run.json                the result, made from the journal when the run is complete

A run that is killed keeps every finished round, and `bench resume` makes those that are missing.
"""

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any, Self

from bench import journal
from bench.audit import CacheAudit
from bench.budget import Budget
from bench.errors import BenchError
from bench.figures import Figures, Percentiles
from bench.stationarity import WarmUp
from bench.statistics import FEWEST_BOOTS

ROOT = Path(__file__).resolve().parent.parent / "results"
FORMAT = 2
ATTEMPTS = 2  # at a round: one that a neighbour disturbed is made again once
_JOURNAL = "journal.jsonl"


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for."""

    arms: tuple[str, ...]
    model: str = "mnist"
    version: str | None = None
    boots: int = 8  # starts of each arm: the unit of replication
    rounds: int = 2  # per boot; in each of them every arm has its turn
    seconds: float = 5.0  # of each turn
    arrivals: str = "poisson"
    rate: float | None = None  # requests/s; None takes 40 % of the slowest arm's capacity
    concurrency: int | None = None  # a closed loop of so many clients instead
    workers: int = 1
    batch: int = 1  # predictions per request
    seed: int = 1
    connections: int = 256
    sesoi: float = 0.05  # the smallest effect of interest: a ratio nearer to 1 is no difference worth a word
    price: float | None = None  # of a core-hour, in the user's money
    raw: bool = True  # keep the stamps of every request
    keep_noisy: bool = False  # keep rounds that a neighbour disturbed
    together: bool = False  # one table, whatever budgets the arms were given

    @property
    def slots(self) -> int:
        """The number of rounds."""
        return self.boots * self.rounds


@dataclass(frozen=True, slots=True)
class Pilot:
    """What was found out about an arm once, before it was timed."""

    arm: str
    ceiling: float  # requests/s that the generator reaches with these bodies against a server that does nothing
    cached: CacheAudit


@dataclass(frozen=True, slots=True)
class Boot:
    """One start of one arm."""

    arm: str
    number: int
    ready_s: float  # from the start to the first prediction
    first_ms: float  # of the first prediction
    capacity: float  # answers/s of a closed loop after the warm-up
    warm_up: WarmUp
    budget: Budget


@dataclass(frozen=True, slots=True)
class Round:
    """One round: every arm once under the same schedule, in this order, and the floor."""

    number: int
    attempt: int
    boot: int
    seed: int
    order: tuple[str, ...]
    arms: Mapping[str, Figures]
    floor: Percentiles
    floor_cpu_us: float
    noise: str = ""  # why its surroundings disqualified it, for all arms together


@dataclass(frozen=True, slots=True)
class Run:
    """Everything that is known of a run, complete or not."""

    folder: Path
    plan: Plan
    version: str  # of the model
    environment: Mapping[str, Any]
    pilots: Mapping[str, Pilot]
    rate: float | None  # requests/s, once it is known
    boots: Sequence[Boot]
    rounds: Sequence[Round]
    resumed: int = 0  # times

    @property
    def names(self) -> list[str]:
        """The names of the arms, in the order in which they were asked for."""
        return list(self.environment["locks"])

    @property
    def key(self) -> dict[str, Any]:
        """What must be the same in another run for a comparison of the two."""
        return {**self.environment["key"], "requests per second": None if self.plan.concurrency else self.rate}

    @property
    def kept(self) -> list[Round]:
        """The rounds that count."""
        return [each for each in self.rounds if self.plan.keep_noisy or not each.noise]

    @property
    def dropped(self) -> list[Round]:
        """The rounds that a neighbour disturbed, and that do not count."""
        return [each for each in self.rounds if each.noise and not self.plan.keep_noisy]

    @property
    def screening(self) -> bool:
        """Too few boots count for a test over boots."""
        return len({each.boot for each in self.kept}) < FEWEST_BOOTS

    @property
    def started(self) -> int:
        """The number of the last boot."""
        return max((boot.number for boot in self.boots), default=0)

    def capacity(self, arm: str) -> float:
        """Answers/s, the median over the arm's boots."""
        return median(boot.capacity for boot in self.boots if boot.arm == arm)

    def missing(self) -> list[list[int]]:
        """The rounds that are still to be made, in lists of one boot each."""
        attempts = [each.number for each in self.rounds]
        done = {each.number for each in self.kept} | {
            number for number in attempts if attempts.count(number) == ATTEMPTS
        }
        left = (number for number in range(1, self.plan.slots + 1) if number not in done)
        return [list(group) for _, group in groupby(left, key=lambda number: (number - 1) // self.plan.rounds)]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a folder, or that of this name below results/. Raises BenchError when it is not the folder of a run."""
        if not folder.exists() and (ROOT / folder).exists():
            folder = ROOT / folder
        try:
            entries = list(journal.read(folder / _JOURNAL))
        except OSError as error:
            raise BenchError(
                f"expected the folder of a run, with {_JOURNAL} in it; found {folder}, which has none "
                f"({error.strerror}). Runs are below {ROOT}"
            ) from None
        try:
            return cls._of(folder, entries)
        except (KeyError, TypeError, StopIteration) as error:
            raise BenchError(
                f"{folder / _JOURNAL}: expected the journal of a run in format {FORMAT}; found another ({error!r})"
            ) from None

    @classmethod
    def _of(cls, folder: Path, entries: Iterable[dict[str, Any]]) -> Self:
        by_kind: dict[str, list[dict[str, Any]]] = {
            kind: [] for kind in ("run", "pilot", "rate", "boot", "round", "resume")
        }
        for entry in entries:
            by_kind[entry.pop("kind")].append(entry)
        first = by_kind["run"][0] if by_kind["run"] else {}
        if first["format"] != FORMAT:
            raise KeyError(f"format {first['format']}")
        pilots = [Pilot(**entry | {"cached": CacheAudit(**entry["cached"])}) for entry in by_kind["pilot"]]
        return cls(
            folder=folder,
            plan=Plan(**first["plan"] | {"arms": tuple(first["plan"]["arms"])}),
            version=first["version"],
            environment=first["environment"],
            pilots={pilot.arm: pilot for pilot in pilots},
            rate=by_kind["rate"][-1]["rate"] if by_kind["rate"] else None,
            boots=[_boot(entry) for entry in by_kind["boot"]],
            rounds=[_round(entry) for entry in by_kind["round"]],
            resumed=len(by_kind["resume"]),
        )


def _boot(entry: dict[str, Any]) -> Boot:
    return Boot(**entry | {"warm_up": WarmUp(**entry["warm_up"]), "budget": Budget(**entry["budget"])})


def _round(entry: dict[str, Any]) -> Round:
    arms = {arm: Figures(**figures) for arm, figures in entry["arms"].items()}
    return Round(**entry | {"arms": arms, "order": tuple(entry["order"])})


def create(root: Path, plan: Plan, model: str, version: str, environment: Mapping[str, Any]) -> Path:
    """A new folder <UTC time>-<model> below root, its journal begun; a second run in a second gets another name."""
    stem = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{model}"
    for number in range(1, 1000):
        folder = root / (stem if number == 1 else f"{stem}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        with writer(folder) as lines:
            lines.append("run", format=FORMAT, plan=plan, version=version, environment=environment)
        return folder
    raise BenchError(f"{root / stem} and a thousand more exist; say --results FOLDER")


def writer(folder: Path) -> journal.Journal:
    """The run's journal, to write to."""
    return journal.Journal(folder / _JOURNAL)


def require_writable(root: Path) -> None:
    """BenchError, before anything is measured, when nothing could be saved below root."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=root).close()
    except OSError as error:
        raise BenchError(f"expected a folder to save results in; cannot write to {root}: {error.strerror}") from None


def turn_file(folder: Path, number: int, attempt: int, arm: str) -> Path:
    """Where the stamps of one turn are kept."""
    file = folder / "rounds" / f"{number:02d}-{attempt}-{Path(arm).name.replace(':', '-')}.npz"
    file.parent.mkdir(exist_ok=True)
    return file


def write_whole(file: Path, content: str) -> None:
    """Write a file at once or not at all."""
    part = file.with_suffix(".part")
    part.write_text(content, encoding="utf-8")
    part.replace(file)


def dumps(value: Any) -> str:
    """Strict JSON, indented; infinite times become the string "inf"."""
    return json.dumps(journal.plain(value), indent=2, allow_nan=False, ensure_ascii=False)
