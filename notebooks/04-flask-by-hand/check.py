"""Is bad input a 400 that helps? Real requests to the learner's own server, those of the conformance kit."""

import functools
import re
import textwrap
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import servelab
from notebooks.course import program
from notebooks.course.check import Failure, Unfinished, Work
from servelab import conformance
from servelab.errors import StartFailed
from servelab.protocols import Request, base

FAULTY = Path(__file__).parent  # of faulty.py
GOOD_FLOWER = b'{"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}'
STARTS = 20.0  # seconds; less than a whole check may take
SHOWN = 2  # failures of one kind that are shown in full
SERVER = "notebooks/work/04/flask/server.py"
GOOD = ("answers/*", "features/all-goldens", "features/text-plain", "features/no-content-type", "v1/good")
ROUTES = ("pages/health", "*/method-*", "v1/unknown-*", "v1/longer-model-name")
NO_OBJECT = ("*/not-json", "*/malformed-json", "*/empty-body", "*/root-is-*", "v1/not-utf-8", "v1/nul-*", "v1/deeply-*")
MISSING = ("features/missing-*", "v1/missing-key", "v1/empty-object")


def check_starts(work: Work) -> Iterator[Failure]:
    """your server starts, and answers a good request"""
    if problem := not_started(work.folder / "flask"):
        yield Failure(problem, f"{SERVER}, and the last lines of the log above")


def check_good_input(work: Work) -> Iterator[Failure]:
    """good input is answered as before, whatever its content type"""
    yield from found(work, GOOD, "what the starter answered, your server must still answer")


def check_routes(work: Work) -> Iterator[Failure]:
    """/health answers; an unknown route is a 404, a wrong method a 405"""
    yield from found(work, ROUTES, f"the routes of {SERVER}, and explain() at its end: both were right in the starter")


def check_missing(work: Work) -> Iterator[Failure]:
    """a missing key is a 400 that names the key"""
    yield from found(work, MISSING, f"read() in {SERVER}: content[key] raises KeyError; who turns it into a 400?")


def check_all_missing(work: Work) -> Iterator[Failure]:
    """a flower that lacks three features is told of all three at once"""
    status, text = asked(work, b'{"sepal_length": 5.1}')
    lacking = ("sepal_width", "petal_length", "petal_width")
    unnamed = [name for name in lacking if name not in text]
    if status != 400 or unnamed:
        found = f"{status} {text!r}" + (f", which does not name {', '.join(unnamed)}" if unnamed else "")
        look = "read(): a client that is told of one mistake at a time has to ask once for each"
        yield Failure(f"expected 400 and a message that names {', '.join(lacking)}; found {found}", look)


def check_no_json(work: Work) -> Iterator[Failure]:
    """who sends a body that is no JSON is told that JSON is expected"""
    body = b"sepal_length=5.1&sepal_width=3.5"
    status, text = asked(work, body)
    if status != 400 or not re.search("json|sepal_length", text, re.IGNORECASE):
        yield Failure(
            f"sent {body.decode()!r}; expected 400 and a message with the word JSON; found {status} {text!r}",
            "read(): Flask refuses this body by itself, but its message does not say what you expect",
        )


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


def check_own_fault(work: Work) -> Iterator[Failure]:
    """a failure of the server's own stays a 500: the client has done nothing wrong"""
    require_started(work)
    command = ["gunicorn", "--no-control-socket", "--bind", "127.0.0.1:{port}", "faulty:app"]
    env = {"PYTHONPATH": str(FAULTY)}
    with program.start(command, strategy="flask", cwd=work.folder / "flask", port=0, env=env) as running:
        status, text = exchange(running.url, GOOD_FLOWER)
    if status < 500:
        yield Failure(
            f"sent good input to your server, with a model whose predict() raises MemoryError; "
            f"expected 500; found {status} {text!r}",
            "what catches every Exception blames the client for all of them: name the ones that bad input causes",
        )


def asked(work: Work, body: bytes) -> tuple[int, str]:
    """The status and text of your server's answer to a body at /predict."""
    require_started(work)
    with servelab.serve(work.folder / "flask", model="iris") as server:
        return exchange(server.url, body)


def exchange(url: str, body: bytes) -> tuple[int, str]:
    with servelab.connect(url, "features", "iris") as client:
        status, _, text = client.exchange(Request("POST", "/predict", base.JSON, body))
    return status, text.decode("utf-8", "replace")


def require_started(work: Work) -> None:
    """Unfinished when the server does not start: nothing else can be judged then."""
    if not_started(work.folder / "flask"):
        raise Unfinished("not judged: your server does not start, or answers nothing", "the first failure, above")


@functools.cache
def not_started(folder: Path) -> str:
    """Why the server does not start; empty when it does, and predicts."""
    try:
        servelab.serve(folder, model="iris", timeout=STARTS).stop()
    except StartFailed as error:
        return str(error)
    return ""


def found(work: Work, wanted: tuple[str, ...], look: str, seen: tuple[str, ...] = ()) -> Iterator[Failure]:
    """The kit's checks among ``wanted``, and not among ``seen``, that did not pass: the first in full, all by name."""
    require_started(work)
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
