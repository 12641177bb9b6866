"""A running lab server, as the controls see it: something to drive and to take the figures of."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

import shared_models
from bench import figures
from bench.answers import Questions
from bench.errors import BenchError
from bench.figures import Figures
from bench.load.job import Job, Outturn
from bench.load.launch import ENGINE, launch
from bench.load.records import Records
from bench.load.schedule import Schedule, poisson
from bench.resources import Placement, memory, placement, running_on
from bench.selftest.lab import Faults
from servelab.protocols import v1

LEAD: Final = 0.1
"""Seconds of a window that are driven and not counted: enough to open connections."""
COMPARED: Final = 16  # answers of a window that are decoded, as in a run
HOST: Final = "127.0.0.1"
REQUEST: Final = b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n"


class Turn(NamedTuple):
    """One window of one server."""

    records: Records
    figures: Figures


@dataclass(frozen=True, slots=True)
class Material:
    """What is asked of a server, and the right answers; a server without a model is asked REQUEST and not judged."""

    model: shared_models.Model
    questions: Questions

    @classmethod
    def of(cls, name: str) -> Self:
        model = shared_models.load(name)
        return cls(model, Questions.of(model, 1))

    def encode(self, batches: Sequence[NDArray[Any]], port: int) -> list[bytes]:
        return [v1.encode(batch, self.model).to_bytes(f"{HOST}:{port}") for batch in batches]


@dataclass(frozen=True, slots=True)
class Subject:
    """A lab server that runs."""

    port: int
    pid: int
    place: Placement
    requests: Sequence[bytes]
    material: Material | None

    def drive(
        self,
        seconds: float,
        schedule: Schedule | None = None,
        *,
        connections: int = 256,
        keep: Sequence[int] = (),
        engine: Sequence[str] = ENGINE,
    ) -> Outturn:
        """One window: open loop with a schedule, else a closed one of so many connections."""
        job = Job(HOST, self.port, seconds, lead=LEAD, connections=connections, keep=tuple(keep),
                  pids=(self.pid,), cpu=self.place.engine)  # fmt: skip
        return launch(job, self.requests, schedule, command=engine)

    def turn(
        self,
        rate: float,
        seconds: float,
        seed: int,
        engine: Sequence[str] = ENGINE,
        ceiling: float | None = None,
    ) -> Turn:
        """One window of Poisson arrivals, and its figures as a run takes them; `ceiling` of the engine, in 1/s."""
        schedule = poisson(rate, LEAD + seconds, seed)
        keep = np.random.default_rng(seed).choice(len(schedule), min(COMPARED, len(schedule)), replace=False)
        outturn = self.drive(seconds, schedule, keep=keep.tolist() if self.material else (), engine=engine)
        found = figures.of_round(
            outturn.records,
            batch=1,
            memory=memory([self.pid]),
            processes_changed=False,
            wrong=self.material.questions.wrong(outturn.answers, v1) if self.material else "",
            schedule=schedule,
            ceiling=ceiling,
            server_cpus=len(self.place.servers or (0,)),
        )
        return Turn(outturn.records, found)

    def asking(self, batches: Sequence[NDArray[Any]]) -> "Subject":
        """The same server, asked other batches of its model."""
        assert self.material  # noqa: S101 - there is nothing to ask without a model
        return replace(self, requests=self.material.encode(batches, self.port))


@contextmanager
def serving(faults: Faults) -> Iterator[Subject]:
    """A lab server on a CPU that is not the engine's; it ends with the block."""
    place = placement(1)
    command = [sys.executable, "-m", "bench.selftest.lab", json.dumps(asdict(faults))]
    with running_on(place.servers):
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    with process:  # which closes its stdin, so that it ends, and waits
        try:
            yield _subject(process, place, faults.model)
        except BaseException:
            process.kill()
            raise


def _subject(process: "subprocess.Popen[bytes]", place: Placement, model: str) -> Subject:
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    said = process.stdout.readline()
    if not said:
        raise BenchError("the lab server did not start; to see why: python -m bench.selftest.lab '{}'")
    port, material = int(said), Material.of(model) if model else None
    requests = material.encode(material.questions.inputs, port) if material else [REQUEST]
    return Subject(port, process.pid, place, requests, material)
