"""The figures of one round, and of an arm over its rounds. Pure: records in, numbers out.

Percentiles belong to a round and are summarised over rounds by their median. They are never pooled: requests of one
round are correlated, and pooled ones make two identical servers differ (Kalibera and Jones, ISMM 2013).
"""

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench import arrivals, stationarity
from bench.arrivals import Delivered
from bench.bottleneck import Side, ran_out, server_busy
from bench.load.histogram import Distribution
from bench.load.records import Records
from bench.load.schedule import Schedule
from bench.resources import Memory

QUANTILES = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}
MILLISECOND = 1e6  # in ns, the unit of all stamps
HALF = 30  # requests in each half of a window, from which its drift is told

Percentiles = Mapping[str, float | None]
"""In ms by name; +inf where failed requests reach that far down, None where the sample is too small to say."""


def needed(quantile: float) -> int:
    """The smallest sample that bounds a quantile from above at 95 %: 59 for p95, 299 for p99, 2,995 for p99.9.

    With n values the largest lies above the quantile with probability 1 - quantile ** n.
    """
    return math.ceil(math.log(0.05) / math.log(quantile))


def percentiles(times: NDArray[np.float64] | Distribution) -> dict[str, float | None]:
    """Percentiles of times in ns, as ms: the smallest value that enough of the sample does not exceed."""
    known = times if isinstance(times, Distribution) else Distribution.of(times)
    return {
        name: known.quantile(quantile) / MILLISECOND if known.n >= needed(quantile) else None
        for name, quantile in QUANTILES.items()
    }


@dataclass(frozen=True, slots=True)
class Figures:
    """One turn: one arm in one round. Shares are 0..1; None where a figure cannot be known."""

    requests: int  # intended in the counted window
    errors: Mapping[str, int]  # by kind
    response: Percentiles  # done - intended
    service: Percentiles  # done - sent
    lag: Percentiles  # sent - intended
    lateness: Percentiles  # taken - intended: the engine's own part of the lag
    offered: float  # requests/s that the schedule intended
    achieved: float  # answers/s until the last one had come
    cpu_us: float  # of all server processes, per prediction
    rss_mb: float  # of all server processes; pages that they share count in each
    pss_mb: float | None  # the same with shared pages divided among their users
    engine_busy: float  # the engine's share of one CPU
    server_busy: float  # the server's share of the CPUs that its workers can use
    foreign: float  # share of the machine's CPU time that neither servers nor engine used
    steal: float  # share of the machine's CPU time that the hypervisor gave to others
    pressure: float  # share of the time in which some process of the machine waited for a CPU (PSI)
    in_flight: float  # mean number of requests under way, sampled by a timer,
    in_flight_records: float  # and the same by the stamps, at the same instants: equal, unless stamps are wrong,
    in_flight_error: float  # or, where not all requests are kept, over the window: equal but for this standard error
    cap_reached: int
    resent: int
    ran_out: Side
    arrival_p: float | None = None  # of what was delivered against the schedule; None in a closed loop,
    dispersion: float | None = None  # and its index of dispersion relative to the schedule's
    ceiling: float | None = None  # requests/s of the same engine against the null server
    drift: float | None = None  # log(median response in the second half of the window / in the first), perhaps infinite
    processes_changed: bool = False  # a server process ended or began
    wrong: str = ""  # the first wrong answer among those compared
    bystanders: float = 0.0  # share of the machine's CPU time that the other arms' servers used, who were not asked

    @property
    def load(self) -> float | None:
        """Offered rate as a share of the generator's ceiling."""
        return self.offered / self.ceiling if self.ceiling else None

    @property
    def kept(self) -> float:
        """Achieved as a share of the offered rate."""
        return self.achieved / self.offered if self.offered else 1.0


def of_round(
    records: Records,
    *,
    batch: int,
    memory: Memory,
    processes_changed: bool,
    wrong: str,
    schedule: Schedule | None = None,
    ceiling: float | None = None,
    server_cpus: int = 1,
    workers: int = 1,
) -> Figures:
    """The figures of a timed turn. `schedule` as it was saved (None: closed loop); `ceiling` in requests/s.

    `server_cpus`: those that the server may run on; `workers`: its processes that work.
    """
    counters = records.counters
    requests, answered = records.requests(), records.answered()
    offered, achieved = requests / counters.seconds, _achieved(records)
    machine, bystanders = counters.window_ns * max(counters.cpus, 1), counters.bystander_cpu_ns
    shares = {
        "engine_busy": counters.engine_cpu_ns / counters.window_ns,
        "server_busy": server_busy(counters.server_cpu_ns / counters.window_ns, server_cpus, workers),
        "foreign": max(0, counters.busy_ns - counters.server_cpu_ns - bystanders - counters.engine_cpu_ns) / machine,
        "bystanders": bystanders / machine,
        "steal": counters.steal_ns / machine,
    }
    load, kept = offered / ceiling if ceiling else None, achieved / offered if offered else 1.0
    arrived = _delivered(records, schedule)
    return Figures(
        requests=requests,
        errors=records.errors(),
        response=percentiles(records.distribution("response")),
        service=percentiles(records.distribution("service")),
        lag=percentiles(records.distribution("lag")),
        lateness=percentiles(records.distribution("lateness")),
        offered=offered,
        achieved=achieved,
        cpu_us=counters.server_cpu_ns / 1e3 / (answered * batch) if answered else math.inf,
        rss_mb=memory.rss / 1e6,
        pss_mb=None if memory.pss is None else memory.pss / 1e6,
        **shares,
        pressure=counters.pressure_ns / counters.window_ns,
        in_flight=counters.in_flight,
        in_flight_records=records.in_flight(),
        in_flight_error=counters.in_flight_error if records.totals else 0.0,
        cap_reached=counters.cap_reached,
        resent=counters.resent,
        ran_out=ran_out(**shares, load=load, kept=kept, closed=schedule is None),
        arrival_p=arrived.p if arrived else None,
        dispersion=arrived.dispersion if arrived else None,
        ceiling=ceiling,
        drift=_drift(records),
        processes_changed=processes_changed,
        wrong=wrong,
    )


def _achieved(records: Records) -> float:
    """Answers/s. The last answer is awaited beyond the window: the time that a server takes for one request is no
    loss of rate, the time that requests waited for it is."""
    counters, answered = records.counters, records.answered()
    once = records.distribution("service").quantile(0.5) / 1e9 if answered * 2 > records.requests() else 0.0
    return answered / max(counters.seconds, counters.window_ns / 1e9 - once)


def _delivered(records: Records, schedule: Schedule | None) -> Delivered | None:
    """What was delivered against the schedule, less the lateness that the engine admits and another gate judges.

    What is left are requests sent early, left out, added, or sent by another schedule than the one that was saved.
    None in a closed loop, and when no request was kept.
    """
    if schedule is None or not len(records.taken):
        return None
    delivered = np.minimum(records.taken, records.intended) / 1e9
    first, last = records.counters.lead, math.inf if records.totals is None else delivered.max()
    return arrivals.audit(
        schedule[(schedule >= first) & (schedule <= last)], delivered[(delivered >= first) & (delivered <= last)]
    )


def _drift(records: Records) -> float | None:
    """stationarity.drift of the counted requests that are kept; None where there are too few, or all failed."""
    intended = records.intended[records.counted].astype(np.float64)
    if len(intended) < 2 * HALF:
        return None
    found = stationarity.drift(records.response(), intended)
    return None if math.isnan(found) else found


def capacity(records: Records) -> float:
    """Answers/s of a closed-loop window."""
    return records.answered() / (records.counters.window_ns / 1e9)


def median_percentiles(rounds: Iterable[Percentiles]) -> dict[str, float | None]:
    """The median of each percentile over rounds; None unless every round had enough requests to give it."""
    listed = list(rounds)
    result: dict[str, float | None] = {}
    for name in QUANTILES:
        values = [value for percentiles in listed if (value := percentiles[name]) is not None]
        result[name] = statistics.median(values) if len(values) == len(listed) else None
    return result
