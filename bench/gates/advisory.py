"""The gates that warn: the row stands, and its reader must know."""

import math
from collections import Counter
from collections.abc import Mapping
from statistics import median
from typing import Final

from bench.bottleneck import ENGINE_BUSY, RATE
from bench.figures import QUANTILES, needed
from bench.gates.finding import Broken, Evidence, Gate
from bench.gates.neighbourhood import INDICATIVE, noisy

NEAR_CEILING: Final = 0.5  # of the engine's ceiling; a wait of its own begins to show in the tail
RESENT_SHARE: Final = 0.01
BYSTANDERS: Final = 0.05  # of the machine's CPU time
PROMISED: Final = ("p50", "p90", "p95", "p99")  # p99.9 is printed where there are enough, and missed by nobody


def _errors(evidence: Evidence) -> Broken | None:
    total = sum((Counter(figures.errors) for figures in evidence.rounds), Counter[str]())
    if not total:
        return None
    advice = "They count as infinite response times. Read the server's log, or lower --rate."
    return ", ".join(f"{n} {kind}" for kind, n in total.items()), "none", advice


def _rate(evidence: Evidence) -> Broken | None:
    share = median(figures.kept for figures in evidence.rounds)
    if abs(share - 1) <= RATE:
        return None
    advice = "The server does not keep up at this rate: lower --rate, or lengthen --seconds."
    return f"achieved {share:.1%} of the offered rate", f"within {RATE:.0%}", advice


def _ceiling(evidence: Evidence) -> Broken | None:
    loads = [figures.load for figures in evidence.rounds if figures.load is not None]
    if not loads or not NEAR_CEILING < (load := median(loads)) <= ENGINE_BUSY:
        return None
    advice = "Its own wait may show in the tail: compare p50 alone, or lower --rate."
    return f"the load is {load:.0%} of the engine's own ceiling", f"{NEAR_CEILING:.0%}", advice


def _few(evidence: Evidence) -> Broken | None:
    fewest = min(figures.requests for figures in evidence.rounds)
    missing = [name for name in PROMISED if fewest < needed(QUANTILES[name])]
    if not missing:
        return None
    enough = needed(QUANTILES[missing[-1]])
    rate = max(min(figures.offered for figures in evidence.rounds), 0.1)
    advice = f"Lengthen the rounds: --seconds {math.ceil(1.2 * enough / rate)}."
    return f"{fewest} requests in a round, too few for {', '.join(missing)}", str(enough), advice


def _cap(evidence: Evidence) -> Broken | None:
    reached = sum(figures.cap_reached for figures in evidence.rounds)
    if not reached:
        return None
    advice = "Their clocks ran on, so response times hold; raise --connections to send them."
    return f"{reached} requests waited because every allowed connection was busy", "0", advice


def _resent(evidence: Evidence) -> Broken | None:
    resent = sum(figures.resent for figures in evidence.rounds)
    requests = sum(figures.requests for figures in evidence.rounds)
    if resent <= RESENT_SHARE * requests:
        return None
    advice = "The server closes kept-alive connections unannounced: look at its keep-alive time."
    return f"{resent} of {requests} requests were repeated on another connection", f"{RESENT_SHARE:.0%}", advice


def _processes(evidence: Evidence) -> Broken | None:
    changed = sum(figures.processes_changed for figures in evidence.rounds)
    if not changed:
        return None
    advice = "Starting them again is in its CPU and response times: read the server's log for restarts."
    return f"server processes ended or began in {changed} rounds", "0", advice


def _bystander(evidence: Evidence) -> Broken | None:
    share = median(figures.bystanders for figures in evidence.rounds)
    if share <= BYSTANDERS:
        return None
    advice = "One of them works when nobody asks it: leave it out, or compare CPU per prediction alone."
    return f"the other arms' servers used {share:.0%} of the machine's CPU time", f"{BYSTANDERS:.0%}", advice


def _disturbed(evidence: Evidence) -> Broken | None:
    """Of the rounds that count: none is disturbed, unless --keep-noisy says that all count."""
    disturbed = sum(bool(noisy([figures])) for figures in evidence.rounds)
    if disturbed <= INDICATIVE * len(evidence.rounds):
        return None
    figure = f"{disturbed} of {len(evidence.rounds)} rounds count although a neighbour disturbed them"
    return figure, f"{INDICATIVE:.0%} of the rounds", "Trust CPU per prediction alone; quiet the machine for the rest."


GATES: Mapping[str, Gate] = {
    "ERRORS": _errors,
    "RATE_MISSED": _rate,
    "NEAR_CEILING": _ceiling,
    "FEW_REQUESTS": _few,
    "CAP_REACHED": _cap,
    "RESENT": _resent,
    "PROCESSES_CHANGED": _processes,
    "BUSY_BYSTANDER": _bystander,
    "INDICATIVE": _disturbed,
}
