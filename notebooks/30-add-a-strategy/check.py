"""The strategy of notebooks/work/30/plain keeps the contract, and the conformance kit finds nothing."""

import dataclasses
import re
from collections.abc import Collection, Iterator

import servelab
from notebooks.course.check import Failure, Work
from servelab import conformance, strategy
from servelab.errors import RequestFailed, ServelabError, StartFailed, StrategyError
from servelab.protocols.base import JSON, Request

NAME = "plain"
PREDICT = "/v1/models/iris:predict"
READY = 15.0  # seconds that the server has to predict; it takes less than one
FRAMEWORKS = {"flask", "werkzeug", "gunicorn", "gevent"}  # all that its environment, which is Flask's, could lend it
NOT_TRIED = Failure("not tried: strategy.toml does not keep the contract", "the first check")


def check_contract(work: Work) -> Iterator[Failure]:
    """strategy.toml keeps the contract, excuses nothing, and has all its files"""
    folder = work.folder / NAME
    try:
        who = strategy.load(folder)
    except StrategyError as error:
        yield Failure(str(error), "strategy.toml; docs/contract.md lists its keys")
        return
    for file in who.required_files:
        if not (folder / file).is_file():
            yield Failure(f"expected the file {file}; found none", f"{folder}; make lesson N=30 AGAIN=1 begins anew")
    if who.deviations:
        yield Failure(f"expected no deviations; found {len(who.deviations)}", "deviations are for a library's faults")


def check_by_hand(work: Work) -> Iterator[Failure]:
    """what frameworks did it does by hand: it imports none, a 405 has Allow, and a 413 reaches its client"""
    try:
        who = strategy.load(work.folder / NAME)
        told = dataclasses.replace(who, env=who.env | {"PYTHONPROFILEIMPORTTIME": "1"})  # its log names every import
        with servelab.serve(told, "iris", timeout=READY) as server:
            yield from refused(server, Request("GET", PREDICT, (), b""), 405)
            yield from refused(server, Request("POST", PREDICT, JSON, bytes(32 * 2**20)), 413)
            log = server.log.read_text("utf-8", "replace") if server.log else ""
    except StrategyError:
        yield NOT_TRIED
        return
    except StartFailed:
        yield Failure("not tried: it does not start", "the next check")
        return
    if lent := FRAMEWORKS & set(re.findall(r"^import time:.*\| +(\w+)$", log, re.MULTILINE)):
        yield Failure(f"expected the standard library alone; it imports {', '.join(sorted(lent))}",
                      "command in strategy.toml, and the imports of server.py")  # fmt: skip


def refused(server: servelab.Server, sent: Request, wanted: int) -> Iterator[Failure]:
    """What is wrong with the answer to a request that is to be refused; a plain client sends all of it, then reads."""
    what = f"{sent.method} {sent.path} with {len(sent.body)} bytes: expected a {wanted}"
    try:
        status, headers, _ = server.client.exchange(sent)
    except RequestFailed as error:
        yield Failure(f"{what} that the client can read; found {error}", "answer and body in server.py; hints 2 and 4")
        return
    if status != wanted:
        yield Failure(f"{what}; found {status}", "the kit, below, says more")
    elif wanted == 405 and "POST" not in headers.get("allow", ""):
        yield Failure(f"{what} with the header Allow: POST; found {', '.join(headers)}",
                      "send_header in answer, where the status is 405 (RFC 9110, 15.5.6)")  # fmt: skip


def check_iris(work: Work) -> Iterator[Failure]:
    """serving iris, it passes the whole conformance kit"""
    yield from failed(work, "iris")


def check_mnist(work: Work) -> Iterator[Failure]:
    """serving mnist, its answers are the training framework's"""
    yield from failed(work, "mnist", ["answers/*", "v1/good", "v1/unknown-model", "pages/*"])


def failed(work: Work, model: str, only: Collection[str] | None = None) -> Iterator[Failure]:
    """Every check of the kit that fails, by name; those that end alike together, the first of them in full."""
    try:
        with servelab.serve(work.folder / NAME, model, timeout=READY) as server:
            conformance.parity(server)
    except StrategyError:
        yield NOT_TRIED
        return
    except ServelabError as error:  # without right answers to right questions every check of the kit fails
        yield Failure(f"{error}\nthe kit was not tried", "server.py: right questions first")
        return
    report = conformance.run(work.folder / NAME, model, only=only)
    alike: dict[str, list[conformance.Result]] = {}
    for result in report.results:
        if result.outcome == "fail":
            alike.setdefault(result.message.splitlines()[-1], []).append(result)
    for results in alike.values():
        names, first = ", ".join(result.check for result in results), results[0].message
        more = f"{len(results)} checks: {names}\nthe first: " if len(results) > 1 else f"{names}: "
        yield Failure(more + first, f"server.py, and its log: {report.logs[0] if report.logs else 'none'}")
