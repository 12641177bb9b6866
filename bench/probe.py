"""`bench probe`: offer load to a server that already runs, and hold what came of it against the goldens and a bound.

One window by the bench's own engine, whose requests leave when a schedule says so, whatever the server does. It tells
whether a deployment is fit to serve; comparing servers is what `bench run` is for, with boots, rounds and gates.
"""

import argparse
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

import shared_models
from bench import figures, options, results
from bench.answers import Questions
from bench.errors import BenchError
from bench.figures import Percentiles
from bench.load.job import LEAD_SECONDS, Job, Outturn
from bench.load.launch import launch
from bench.load.schedule import Schedule, poisson
from servelab import protocols
from servelab.client import Client, parse_url
from servelab.errors import RequestFailed
from servelab.protocols.base import Request

SECONDS: Final = 5.0
RATE: Final = 100.0  # requests/s: enough for a p99 in five seconds, and little beside what the servers here can do
COMPARED: Final = 100  # answers that are decoded and compared
UNFIT: Final = 1
"""The exit status when the server was measured and is not fit: errors, wrong answers, or a bound that is broken."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What was asked for."""

    url: str
    protocol: str
    model: str
    seconds: float = SECONDS
    rate: float = RATE  # requests/s, Poisson arrivals
    concurrency: int | None = None  # a closed loop of so many clients instead
    p99: float | None = None  # ms, a bound on the service time


@dataclass(frozen=True, slots=True)
class Found:
    """What came of it; times in ms, percentiles None where there were too few requests."""

    requests: int
    errors: Mapping[str, int]
    achieved: float  # answers/s
    service: Percentiles  # done - sent
    response: Percentiles  # done - intended
    compared: int
    wrong: str  # what is wrong with the first wrong answer
    unfit: tuple[str, ...]  # why the server is not fit; nothing when it is


def add(parser: argparse.ArgumentParser) -> None:
    """The options of `bench probe`."""
    parser.set_defaults(run=_run)
    parser.add_argument("url", metavar="URL", help="of the server; that of its predictions will do")
    parser.add_argument("--protocol", default="v1", choices=protocols.names(), help="its dialect (default: v1)")
    parser.add_argument("--model", required=True, help="that it serves: a model's name, or a folder")
    parser.add_argument("--seconds", type=options.amount, default=SECONDS, metavar="S", help="(default: 5)")
    load = parser.add_mutually_exclusive_group()
    load.add_argument("--rate", type=options.amount, default=RATE, metavar="R", help="requests/s (default: 100)")
    load.add_argument("--concurrency", type=options.count, metavar="C", help="a closed loop of so many clients instead")
    parser.add_argument("--p99", type=options.amount, metavar="MS", help="exit 1 when service times are above")
    parser.add_argument("--output", type=Path, metavar="FILE", help="what was asked for and found, JSON")


def _run(arguments: argparse.Namespace) -> int:
    asked = Probe(arguments.url, arguments.protocol, arguments.model, arguments.seconds, arguments.rate,
                  arguments.concurrency, arguments.p99)  # fmt: skip
    found = run(asked)
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        results.write_whole(arguments.output, results.dumps(asdict(asked) | asdict(found)) + "\n")
    print(line(asked, found))
    return UNFIT if found.unfit else 0


def run(asked: Probe) -> Found:
    """Measure a server. BenchError when it does not answer at all, or too few requests are planned for the bound."""
    model = shared_models.load(asked.model)
    questions = Questions.of(model, batch=1)
    job, requests = _job(asked, model, questions)
    schedule = None
    if not asked.concurrency:
        schedule = poisson(asked.rate, LEAD_SECONDS + asked.seconds, seed=1)
        _require_enough(asked, int((schedule >= LEAD_SECONDS).sum()))
        job = replace(job, keep=_compared(schedule))
    return _found(asked, questions, launch(job, requests, schedule))


def _job(asked: Probe, model: shared_models.Model, questions: Questions) -> tuple[Job, list[bytes]]:
    """The window, and the bytes that the common client would send. A server that gives no answer is told first."""
    address = parse_url(asked.url.rstrip("/"))
    if address.scheme == "https":
        raise BenchError(f"the load engine speaks no TLS: expected an http:// URL, found {asked.url}")
    protocol = protocols.get(asked.protocol)
    encoded = [protocol.encode(batch, model) for batch in questions.inputs]
    prefix = address.path.removesuffix(encoded[0].path).rstrip("/")
    with Client(f"{address.scheme}://{address.netloc}{prefix}", asked.protocol, model) as client:
        try:
            client.predict(questions.inputs[0])
        except RequestFailed as error:
            raise BenchError(f"refused to load a server that gives no prediction: {error}") from None
    requests = [_prefixed(request, prefix).to_bytes(address.netloc) for request in encoded]
    job = Job(address.hostname or "", address.port or 80, asked.seconds)
    kept = tuple(range(COMPARED))
    return replace(job, connections=asked.concurrency, keep=kept) if asked.concurrency else job, requests


def _prefixed(request: Request, prefix: str) -> Request:
    return replace(request, path=prefix + request.path)


def _require_enough(asked: Probe, requests: int) -> None:
    needed = figures.needed(figures.QUANTILES["p99"])
    if asked.p99 and requests < needed:
        raise BenchError(
            f"{requests} requests tell no p99: expected {needed} or more; raise --seconds or --rate, or leave --p99 out"
        )


def _compared(schedule: Schedule) -> tuple[int, ...]:
    """A seeded sample of the requests: a server may err under load alone."""
    chosen = np.random.default_rng(1).choice(len(schedule), min(COMPARED, len(schedule)), replace=False)
    return tuple(chosen.astype(int).tolist())


def _found(asked: Probe, questions: Questions, outturn: Outturn) -> Found:
    records = outturn.records
    wrong = questions.wrong(outturn.answers, protocols.get(asked.protocol))
    service = figures.percentiles(records.distribution("service"))
    found = Found(
        requests=records.requests(),
        errors=records.errors(),
        achieved=figures.capacity(records),
        service=service,
        response=figures.percentiles(records.distribution("response")),
        compared=len(outturn.answers),
        wrong=wrong,
        unfit=(),
    )
    return replace(found, unfit=tuple(_unfit(asked, found)))


def _unfit(asked: Probe, found: Found) -> list[str]:
    reasons = [f"{count} of {found.requests} requests: {kind}" for kind, count in found.errors.items()]
    if found.wrong:
        reasons.append(f"a wrong answer, {found.wrong}")
    if not found.compared:
        reasons.append("none of the answers could be compared")
    if asked.p99:
        p99 = found.service["p99"]
        if p99 is None:
            reasons.append(f"{found.requests} requests tell no p99: raise --seconds or --concurrency")
        elif p99 > asked.p99:
            reasons.append(f"p99 {p99:.2f} ms, expected at most {asked.p99:g} ms")
    return reasons


def line(asked: Probe, found: Found) -> str:
    """One line of what was found."""
    load = f"{asked.concurrency} clients" if asked.concurrency else f"{asked.rate:g}/s"
    times = ", ".join(f"{name} {_ms(found.service[name])}" for name in ("p50", "p95", "p99"))
    right = f"{found.requests} requests without an error; {found.compared} answers checked, all right"
    verdict = f"{found.requests} requests, UNFIT: {'; '.join(found.unfit)}" if found.unfit else right
    return f"{asked.url} at {load}: service time {times}; {verdict}"


def _ms(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f} ms"
