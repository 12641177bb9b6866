"""What the engine is asked to do, and how it is handed over: a folder with a small JSON file and plain arrays."""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.load.records import Records
from bench.load.schedule import Schedule

LEAD_SECONDS = 0.25
"""Driven before the counted window, recorded and not counted: the first connections, the engine's first steps."""


@dataclass(frozen=True, slots=True)
class Job:
    """One window of load. Open loop when a schedule comes with it, else closed loop: `connections` that never rest."""

    host: str
    port: int
    seconds: float  # the counted window
    lead: float = LEAD_SECONDS
    connections: int = 256  # open loop: at most; closed loop: exactly
    timeout: float = 5.0  # seconds from the intended time after which a request has failed
    keep: tuple[int, ...] = ()  # indices of the requests whose whole answers are kept, for comparison
    pids: tuple[int, ...] = ()  # the server's: their CPU time, and their children's, is read at both ends of the window
    bystanders: tuple[int, ...] = ()  # those of the other arms' servers, which should be idle meanwhile
    cpu: int | None = None  # the engine runs on this CPU alone
    uvloop: bool = True  # when it is installed
    raw: bool = True  # keep per-request records, as many as records.RAW_RECORDS; else histograms alone
    sample_every: float = 0.001  # mean seconds between samples of the in-flight count; closed loop: a tenth of them


@dataclass(frozen=True, slots=True)
class Assignment:
    """A job with its material: the bytes of each distinct request (request i sends bytes i modulo their number)."""

    job: Job
    requests: Sequence[bytes]
    schedule: Schedule | None = None

    def save(self, folder: Path) -> None:
        sizes = [len(request) for request in self.requests]
        (folder / "job.json").write_text(json.dumps({"job": asdict(self.job), "sizes": sizes}))
        (folder / "requests.bin").write_bytes(b"".join(self.requests))
        if self.schedule is not None:
            np.save(folder / "schedule.npy", self.schedule)

    @classmethod
    def load(cls, folder: Path) -> "Assignment":
        stored = json.loads((folder / "job.json").read_text())
        fields: dict[str, Any] = stored["job"]
        fields |= {key: tuple(fields[key]) for key in ("keep", "pids", "bystanders")}
        data, ends = (folder / "requests.bin").read_bytes(), np.cumsum([0, *stored["sizes"]])
        requests = [data[start:end] for start, end in itertools.pairwise(ends)]
        file = folder / "schedule.npy"
        return cls(Job(**fields), requests, np.load(file, mmap_mode="r") if file.exists() else None)


@dataclass(frozen=True, slots=True)
class Outturn:
    """What the engine hands back: the records, and the raw answers (headers and body) of the indices in `Job.keep`."""

    records: Records
    answers: Mapping[int, bytes]

    def save(self, folder: Path) -> None:
        self.records.save(folder / "records.npz")
        for index, answer in self.answers.items():
            (folder / f"{index}.answer").write_bytes(answer)

    @classmethod
    def load(cls, folder: Path) -> "Outturn":
        answers = {int(file.stem): file.read_bytes() for file in folder.glob("*.answer")}
        return cls(Records.load(folder / "records.npz"), answers)
