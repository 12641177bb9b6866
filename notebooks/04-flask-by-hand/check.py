"""Is bad input a 400 that helps? Real requests to the learner's own server, those of the conformance kit."""

import functools
import textwrap
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import servelab
from notebooks.course.check import Failure, Work
from servelab import conformance
from servelab.protocols import Request, base

SHOWN = 2  # failures of one kind that are shown in full
SERVER = "notebooks/work/04/flask/server.py"
GOOD = ("answers/*", "features/all-goldens", "features/text-plain", "features/no-content-type", "v1/good")
ROUTES = ("pages/health", "*/method-*", "v1/unknown-*", "v1/longer-model-name")
NO_OBJECT = ("*/not-json", "*/malformed-json", "*/empty-body", "*/root-is-*", "v1/not-utf-8", "v1/nul-*", "v1/deeply-*")
MISSING = ("features/missing-*", "v1/missing-key", "v1/empty-object")


def check_good_input(work: Work) -> Iterator[Failure]:
    """good input is answered as before, whatever its content type"""
    yield from found(work, GOOD, "your server must answer what it answered before; see its log, named above or below")


def check_routes(work: Work) -> Iterator[Failure]:
    """/health answers; an unknown route is a 404, a wrong method a 405"""
    yield from found(work, ROUTES, f"the routes of {SERVER}, and explain() at its end: both were right in the starter")


def check_missing(work: Work) -> Iterator[Failure]:
    """a missing key is a 400 that names the key"""
    yield from found(work, MISSING, f"read() in {SERVER}: content[key] raises KeyError; who turns it into a 400?")


def check_all_missing(work: Work) -> Iterator[Failure]:
    """a flower that lacks three features is told of all three at once"""
    with servelab.serve(work.folder / "flask", model="iris") as server:
        first, *lacking = server.model.features
        request = Request("POST", "/predict", base.JSON, base.to_json({first: 5.1}))
        status, _, body = server.client.exchange(request)
    unnamed = [name for name in lacking if name not in body.decode()]
    if status != 400 or unnamed:
        found = f"{status} {body.decode()!r}" + (f", which does not name {', '.join(unnamed)}" if unnamed else "")
        look = "read(): a client that is told of one mistake at a time has to ask once for each"
        yield Failure(f"expected 400 and a message that names {', '.join(lacking)}; found {found}", look)


def check_no_object(work: Work) -> Iterator[Failure]:
    """a body that is no JSON object is refused with a message"""
    look = f"read() in {SERVER}: what json can parse may be a list, null, a number; or a RecursionError"
    yield from found(work, NO_OBJECT, look)


def check_values(work: Work) -> Iterator[Failure]:
    """every other bad request of the kit is refused, and the server goes on predicting"""
    rest = ("features/*", "v1/*", "load/*")
    seen = GOOD + ROUTES + MISSING + NO_OBJECT
    look = f"model.predict raises InvalidInput with a good message; who in {SERVER} turns it into a 400?"
    yield from found(work, rest, look, seen)


def found(work: Work, wanted: tuple[str, ...], look: str, seen: tuple[str, ...] = ()) -> Iterator[Failure]:
    """The kit's checks among ``wanted``, and not among ``seen``, that did not pass: the first in full, all by name."""
    results = report(work.folder / "flask").results
    chosen = [result for result in results if matches(result.check, wanted) and not matches(result.check, seen)]
    failed = [result for result in chosen if result.outcome != "pass"]
    for result in failed[:SHOWN]:
        yield Failure(f"{result.check}: {result.message}", look)
    if rest := [result.check for result in failed[SHOWN:]]:
        names = textwrap.fill(", ".join(rest), 90, break_on_hyphens=False)
        one = f".venv/bin/servelab conformance notebooks/work/04/flask --model iris --only '{rest[0]}'"
        yield Failure(f"{len(rest)} more fail:\n{names}", f"each alone, in full: {one}")


@functools.cache
def report(folder: Path) -> conformance.Report:
    """What the kit's checks of input say of the server in that folder, started once for all of them."""
    return conformance.run(folder, model="iris", only=("answers/*", "features/*", "v1/*", "pages/health", "load/*"))


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)
