"""What tests need to talk to a lab server."""

from typing import NamedTuple

import numpy as np

from bench.load.job import Job, Outturn
from bench.load.launch import launch
from bench.load.records import Outcome
from bench.load.schedule import Schedule

REQUEST = b"POST /predict HTTP/1.1\r\nHost: lab\r\nContent-Length: 4\r\n\r\n1234"


class LabServer(NamedTuple):
    """A running lab_server.py; `log` is the folder for what it wrote down."""

    port: int
    pid: int
    log: str

    def drive(self, schedule: Schedule | None = None, seconds: float = 1.0, **job: object) -> Outturn:
        """One window by the real engine, without a lead-in unless asked."""
        fields = {"host": "127.0.0.1", "port": self.port, "seconds": seconds, "lead": 0.0, "pids": (self.pid,)} | job
        outturn = launch(Job(**fields), [REQUEST], schedule)  # type: ignore[arg-type]
        records = outturn.records
        assert schedule is None or job.get("raw") is False or len(records.outcome) == len(schedule)
        assert np.isin(records.outcome, list(Outcome)).all(), "every request has exactly one outcome"
        return outturn


def every(gap: float, count: int) -> Schedule:
    """A schedule with one request every `gap` seconds."""
    return np.arange(count, dtype=np.float64) * gap
