"""Many clients at once: bad requests harm no good one."""

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from servelab.conformance import bad_input
from servelab.conformance.check import Check, CheckFailed
from servelab.conformance.subject import Subject
from servelab.conformance.wire import Connection, HalfClose, NoReply
from servelab.strategy import Strategy
from shared_models import Model

GOOD = 150  # good requests, all of which must be answered rightly
CLIENTS = 5  # of them at once, each with a connection of its own
PATIENCE = 20.0  # seconds for each of them, so that a server that hangs does not hold up the kit
SPOILERS = 2  # clients that send nothing but bad requests meanwhile


def checks(strategy: Strategy, model: Model) -> Iterator[Check]:  # noqa: ARG001 - it applies to all
    """One check, for every strategy; its bad requests are those of the strategy's dialect, or cut off."""
    yield Check("load/good-among-bad", good_among_bad)


def good_among_bad(subject: Subject) -> None:
    """GOOD right requests by CLIENTS threads while SPOILERS threads send bad ones: every good answer is right."""
    done = threading.Event()
    with ThreadPoolExecutor(CLIENTS + SPOILERS) as pool:
        for spoiler in range(SPOILERS):
            pool.submit(_spoil, subject, done, spoiler)
        try:
            problems = [p for ps in pool.map(lambda client: _ask(subject, client), range(CLIENTS)) for p in ps]
        finally:
            done.set()
    if problems:
        right = f"{GOOD - len(problems)} of {GOOD} good requests were answered rightly among bad ones"
        raise CheckFailed(f"{right}\n{problems[0]}")


def _ask(subject: Subject, client: int) -> list[str]:
    """Send this client's share over a kept-alive connection, or a new one where it ends; what went wrong with which."""
    problems = []
    connection: Connection | None = None
    deadline = time.monotonic() + PATIENCE
    for index in range(client, GOOD, CLIENTS):
        request, expected = subject.good(start=index)
        kept = False
        try:
            if time.monotonic() > deadline:
                raise CheckFailed(f"not sent, for the {PATIENCE:g} s of its client were over")
            connection = connection or subject.connect()
            reply = connection.exchange(subject.to_bytes(request))
            kept = reply.kept
            subject.require_right(reply, expected, request)
        except (NoReply, CheckFailed) as error:
            problems.append(f"good request {index}: {error}")
        if connection and not kept:
            connection.close()
            connection = None
    if connection:
        connection.close()
    return problems


def _spoil(subject: Subject, done: threading.Event, offset: int) -> None:
    """Send one bad request after another, each on a new connection, until the good ones are through."""
    bad = _bad_messages(subject)
    while not done.is_set():
        message = bad[offset % len(bad)]
        offset += SPOILERS
        with contextlib.suppress(NoReply), subject.connect() as connection:
            connection.exchange(message, HalfClose())


def _bad_messages(subject: Subject) -> list[bytes]:
    good, _ = subject.good()
    data = subject.to_bytes(good)
    cut_off = [data[:-1], data[: -len(good.body)], data[:20]]
    model = subject.server.model
    name = bad_input.dialect(subject.server.strategy, model) or bad_input.DIALECTS[0]
    nonsense = [subject.to_bytes(case.request) for case in bad_input.cases(model, name)]
    return cut_off + nonsense
