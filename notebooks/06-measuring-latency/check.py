"""The check of lesson 06: predictions first, every window complete, no answer believed unseen."""

import json
import math
import tempfile
import tomllib
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.selftest.lab import Faults
from bench.selftest.subject import serving
from notebooks.course import program
from notebooks.course.check import Failure, Unfinished, Work
from servelab.start import usable_port

VARIANTS = ("blocking", "threads", "awaiting")
FIELDS = ("round", "variant", "clients", "p50_ms", "p95_ms", "requests", "compared", "right")
CLIENTS, WAIT_MS = 16, 20.0
ROUNDS, SECONDS = 2, 0.7
SERVERS = {
    "honest": (True, "without a fault"),
    "wrong": (False, "whose answers are wrong from the 21st on"),
    "failing": (False, "that answers 1 of 10 requests with a 500"),
}
Lines = list[dict[str, Any]]


def check_predicted(work: Work) -> Iterator[Failure]:
    """a time is predicted for each of the three handlers"""
    try:
        predicted = tomllib.loads((work.folder / "prediction.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        yield Failure(f"prediction.toml cannot be read: {error}", "prediction.toml")
        return
    for name in VARIANTS:
        value = predicted.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
            yield Failure(
                f"expected {name} = a time in ms above 0; found {value!r}", "prediction.toml: any guess will do"
            )


def check_recorded_first(work: Work) -> Iterator[Failure]:
    """the prediction is in the file before the first request is sent"""
    nobody = f"http://127.0.0.1:{usable_port('127.0.0.1', 0)}"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "found.jsonl"
        with suppress(BenchError, OSError):  # nothing listens there: no window can be made
            work.module("measure", "measure").measure({"nobody": nobody}, {"nobody": 7.0}, file, 1, 0.1)
        lines = _lines(file)
    if not lines or (lines[0].get("kind"), lines[0].get("p50_ms")) != ("prediction", {"nobody": 7.0}):
        yield Failure(
            "expected a first line with the prediction, although the server was not there to be measured; "
            f"found {lines[0] if lines else 'no line'}",
            "measure(): write the prediction, and flush it, before the first window",
        )


def check_complete(work: Work) -> Iterator[Failure]:
    """every handler is measured in every round, at concurrency 16, and nothing is missing"""
    command = ["uvicorn", "connections:app", "--port", "{port}", "--no-access-log"]
    here = Path(__file__).parent
    env = {"PYTHONPATH": str(here)}
    with program.start(command, strategy="fastapi", cwd=here / "exercise", port=0, env=env) as running:
        windows = _windows(work, {name: f"{running.url}/{name}" for name in VARIANTS}, ROUNDS, SECONDS)
        with urllib.request.urlopen(f"{running.url}/connections", timeout=10) as answer:
            connections = json.load(answer)
    found = sorted(((window.get("round"), window.get("variant")) for window in windows), key=repr)
    expected = sorted(((number, name) for number in range(1, ROUNDS + 1) for name in VARIANTS), key=repr)
    if found != expected:
        yield Failure(
            f"expected a window for each of {expected}; found {found}", "measure(): rounds, and variants in each"
        )
    if (order := [window.get("round") for window in windows]) != sorted(order, key=repr):
        yield Failure(
            f"expected one round after the other, all variants in each; found rounds {order}",
            "a machine drifts: who measures all of A and then all of B measures the drift",
        )
    for name in VARIANTS if found == expected else ():
        least = ROUNDS * CLIENTS  # each client has a connection of its own, and the probe asks once before them
        if not least <= connections.get(name, 0) < 2 * least:
            yield Failure(
                f"{name}: expected {CLIENTS} clients in each of {ROUNDS} rounds, so {least} connections or a few more; "
                f"found {connections.get(name, 0)}",
                "Probe(..., concurrency=16); without it the probe sends 100 requests/s, however many wait",
            )
    turns = [[window.get("variant") for window in windows if window.get("round") == number] for number in (1, 2)]
    if found == expected and turns[1] != turns[0][::-1]:
        yield Failure(
            f"expected round 2 in the opposite order of round 1; found {turns[0]}, then {turns[1]}",
            "who is always the last of a round meets whatever the round has done to the machine",
        )
    for window in windows:
        yield from _whole(window)


def _whole(window: Mapping[str, Any]) -> Iterator[Failure]:
    """What is wrong with a window of one of the three handlers."""
    name = f"round {window.get('round')}, {window.get('variant')}"
    if missing := [field for field in FIELDS if field not in window]:
        yield Failure(f"{name}: expected the fields {', '.join(FIELDS)}; found no {', '.join(missing)}", "measure()")
        return
    if window["clients"] != CLIENTS:
        yield Failure(f"{name}: expected clients {CLIENTS}; found {window['clients']}", "Probe(..., concurrency=16)")
    if window["right"] is not True or not window["compared"]:
        yield Failure(f"{name}: expected right true, with answers compared; found {dict(window)}", "measure(): right")
    at_least = 5 * WAIT_MS if window["variant"] == "blocking" else 0.9 * WAIT_MS
    if not isinstance(window["p50_ms"], (int, float)) or window["p50_ms"] < at_least:
        yield Failure(
            f"{name}: expected a p50 of {at_least:g} ms or more at concurrency {CLIENTS}; found {window['p50_ms']}",
            "Probe(..., concurrency=16); times of bench.probe are in ms already",
        )


def check_verified(work: Work) -> Iterator[Failure]:
    """a server that fails, or errs under load, is not called right"""
    faults = {
        "honest": Faults(model="iris"),
        "wrong": Faults(model="iris", wrong_after=20),
        "failing": Faults(model="iris", errors=0.1),
    }
    with ExitStack() as stack:
        ports = {name: stack.enter_context(serving(fault)).port for name, fault in faults.items()}
        windows = _windows(work, {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}, 1, 0.5)
    called = {str(window.get("variant")): window.get("right") for window in windows}
    for name, (right, what) in SERVERS.items():
        if called.get(name) is not right:
            yield Failure(
                f"expected right {str(right).lower()} for a server {what}; found {called.get(name)}",
                "bench.probe's Found: what do errors, wrong and unfit say?",
            )


def _windows(work: Work, urls: Mapping[str, str], rounds: int, seconds: float) -> Lines:
    """What the learner's measure() says of these servers."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "found.jsonl"
        work.module("measure", "measure").measure(urls, dict.fromkeys(urls, 1.0), file, rounds, seconds)
        return [line for line in _lines(file) if line.get("kind") == "window"]


def _lines(file: Path) -> Lines:
    """What measure() wrote, a JSON object a line."""
    lines = file.read_text("utf-8", "replace").splitlines() if file.exists() else []
    try:
        found = [json.loads(line) for line in lines]
    except ValueError as error:
        raise Unfinished(f"expected a JSON object in each line of the file; {error}", "measure(): json.dumps") from None
    if wrong := [line for line in found if not isinstance(line, dict)]:
        raise Unfinished(
            f"expected a JSON object in each line of the file; found {wrong[0]!r}", "measure(): json.dumps"
        )
    return found
