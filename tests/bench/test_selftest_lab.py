"""The lab server does what it is ordered to, and an honest one nothing of it."""

import numpy as np
import pytest

from bench.load.records import Outcome
from bench.load.schedule import poisson
from bench.selftest.crosscheck import delivered
from bench.selftest.lab import Faults
from bench.selftest.subject import LEAD, Turn, serving

RATE, SECONDS = 200.0, 0.5


def turn(faults: Faults, seconds: float = SECONDS) -> Turn:
    with serving(faults) as subject:
        return subject.turn(RATE, seconds, seed=1)


def test_an_honest_server_answers_everything_rightly() -> None:
    records, figures = turn(Faults(model="mnist"))
    assert (records.outcome == Outcome.OK).all()
    assert figures.wrong == ""
    assert len(records.outcome) == len(poisson(RATE, LEAD + SECONDS, 1))


def test_wrong_answers_begin_when_ordered() -> None:
    assert turn(Faults(model="iris", wrong_after=10_000)).figures.wrong == ""
    assert "the largest difference is" in turn(Faults(model="iris", wrong_after=0)).figures.wrong


def test_work_is_processor_time() -> None:
    plain, busy, work = (
        turn(faults).figures.cpu_us for faults in (Faults(), Faults(busy_us=1_000), Faults(work_us=1_000))
    )
    assert busy - plain == pytest.approx(1_000, rel=0.3)
    assert work - plain == pytest.approx(1_000, rel=0.3)


def test_a_wait_is_no_processor_time_and_delays_nobody_else() -> None:
    records, figures = turn(Faults(wait=0.1))
    assert records.service().min() >= 0.095e9
    assert figures.in_flight > 10, "0.1 s at 200/s are 20 at a time"
    assert figures.cpu_us < 10_000


def test_what_is_remembered_is_not_worked_out_again() -> None:
    """With as many inputs as goldens, all but the first of each come from memory."""
    fresh = turn(Faults(model="mnist", work_us=2_000)).figures
    remembered = turn(Faults(model="mnist", work_us=2_000, cache=True)).figures
    assert remembered.wrong == ""
    assert fresh.cpu_us > 2_000
    assert remembered.cpu_us < fresh.cpu_us


def test_errors_are_a_share_and_the_same_for_a_seed() -> None:
    counts = [turn(Faults(errors=0.2, seed=seed)).figures.errors for seed in (1, 1, 2)]
    assert counts[0] == counts[1]
    requests = len(poisson(RATE, SECONDS, 1))
    assert 0.05 * requests < counts[0]["status"] < 0.4 * requests


def test_a_stall_holds_everybody_up() -> None:
    response = turn(Faults(stall=0.3, every=0.4), seconds=1.0).records.response()
    assert np.quantile(response, 0.9) > 0.15e9


def test_arrivals_are_written_down() -> None:
    schedule = poisson(RATE, LEAD + SECONDS, 1)
    times = delivered(lambda subject: subject.drive(SECONDS, schedule))
    assert len(times) == len(schedule)
    assert (np.diff(times) >= 0).all()
    assert times[-1] - times[0] == pytest.approx(schedule[-1] - schedule[0], abs=0.3)


def test_the_server_ends_with_its_block() -> None:
    import psutil

    with serving(Faults()) as subject:
        assert psutil.pid_exists(subject.pid)
    assert not psutil.pid_exists(subject.pid)
    with pytest.raises(RuntimeError, match="as ever"), serving(Faults(stall=0.1)) as subject:
        raise RuntimeError("as ever")
    assert not psutil.pid_exists(subject.pid)
