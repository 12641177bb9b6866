"""What a run leaves behind: one folder with run.json and the stamps of every round."""

import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.records import Records
from bench.summary import Round, Summary

ROOT = Path(__file__).resolve().parent.parent / "results"
SCREENING = 12  # fewer pairs than this are a screening: 6 pairs cannot go below p = 0.03, 12 survive many comparisons


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for."""

    arms: tuple[str, ...]
    model: str = "mnist"
    version: str | None = None
    pairs: int = 6  # rounds, in each of which every arm has its turn
    seconds: float = 2.5  # of each turn
    rate: float | None = None  # requests/s; None takes 40 % of the slowest arm's capacity
    workers: int = 1
    batch: int = 1  # predictions per request
    seed: int = 1
    connections: int = 256

    @property
    def screening(self) -> bool:
        return self.pairs < SCREENING


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that a run found out."""

    plan: Plan
    version: str  # of the model
    rate: float  # requests/s
    capacity: Mapping[str, float]  # answers/s of each arm's pilot
    environment: Mapping[str, Any]
    rounds: Sequence[Round]
    summary: Summary
    folder: Path

    def to_dict(self) -> dict[str, Any]:
        """Plain values for strict JSON: infinite times become the string "inf"."""
        fields = {name: _plain(getattr(self, name)) for name in self.__slots__ if name != "folder"}
        return {"format": 1, "screening": self.plan.screening, **fields, "folder": self.folder.name}


def require_writable(root: Path) -> None:
    """BenchError, before anything is measured, when nothing could be saved below root."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=root).close()
    except OSError as error:
        raise BenchError(f"expected a folder to save results in; cannot write to {root}: {error.strerror}") from None


def new_folder(root: Path, model: str) -> Path:
    """A new, empty folder <UTC time>-<model> below root; a second run in the same second gets another name."""
    stem = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{Path(model).name}"
    for number in range(1, 1000):
        folder = root / (stem if number == 1 else f"{stem}-{number}")
        try:
            (folder / "rounds").mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"{root / stem} and a thousand more exist")


def save_round(folder: Path, number: int, arm: str, records: Records) -> Path:
    """Store the stamps of one turn as soon as it is over."""
    file = folder / "rounds" / f"{number:02d}-{Path(arm).name.replace(':', '-')}.npz"
    part = file.with_suffix(".part")
    records.save(part)
    part.replace(file)
    return file


def save(result: Result) -> Path:
    """Write run.json at once or not at all."""
    file = result.folder / "run.json"
    part = file.with_suffix(".part")
    part.write_text(dumps(result.to_dict()) + "\n", encoding="utf-8")
    part.replace(file)
    return file


def load(folder: Path) -> dict[str, Any]:
    """The contents of a run.json."""
    content: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return content


def dumps(value: Mapping[str, Any]) -> str:
    """Strict JSON, indented."""
    return json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__"):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
