"""Is the port a service of BentoML 1.4 that conforms, and does it pack into a bento that serves?"""

import functools
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

import servelab
from notebooks.course import program
from notebooks.course.check import Failure, Work
from servelab import conformance
from servelab.errors import ServelabError
from servelab.paths import ROOT

STRATEGY, MODEL = "bentoml", "mnist"
APIS = {"predict": f"/v1/models/{MODEL}:predict", "classify": "/classify"}
# The kit without its stops and its boots of two workers, which take the longest: `make test-bentoml` has them.
KIT = ("answers/*", "v1/*", "body/*", "image/*", "pages/*", "load/*")
READY = 20.0  # seconds to the first prediction; on a busy machine they are eight
FOUND = "APIs of the service: "
# What `bentoml serve server:Classifier` would find.
TELL = (
    "import json, bentoml, server; found = server.Classifier; "
    "assert hasattr(found, 'apis'), 'Classifier is no service: @bentoml.service stands before a class'; "
    f"print({FOUND!r} + json.dumps({{name: api.route for name, api in found.apis.items()}}))"
)
LOOK = {
    "answers": "predict: it returns what model().predict(instances) does",
    "image": "classify: input_spec=Upload, model().preprocess, and `with refusals():` around both uses of the model",
    "v1": "predict: input_spec=Instances, which makes a wrong row a 400, and output_spec=Predictions",
    "body": "the last line of server.py: Edge limits bodies",
    "load": "what the service does once per request and could do once, in __init__",
}


def check_service(work: Work) -> Iterator[Failure]:
    """server.py is a service of BentoML 1.4, with the APIs predict and classify"""
    found, problem = _apis(work.folder / STRATEGY)
    if problem:
        yield Failure(problem, "server.py; hints 1 and 2")
    for name, route in APIS.items() if not problem else ():
        if found.get(name) != route:
            at = f"one at {found[name]}" if name in found else f"no such API, but {', '.join(found) or 'none at all'}"
            yield Failure(f"expected an API {name} at {route}; found {at}", "@bentoml.api, and its `route`; hint 3")


def check_start(work: Work) -> Iterator[Failure]:
    """it starts, and makes a prediction"""
    if problem := _not_yet(work):
        yield problem
    elif said := _start(work.folder / STRATEGY):
        yield Failure(said, "predict, its input_spec and output_spec, and __init__; hints 2 and 3")


def check_conformance(work: Work) -> Iterator[Failure]:
    """it passes the conformance kit, good requests and bad ones"""
    if problem := _not_yet(work) or _not_started(work):
        yield problem
        return
    report = conformance.run(work.folder / STRATEGY, MODEL, only=KIT)
    for result in report.results:
        if result.outcome == "fail":
            group = result.check.partition("/")[0]
            yield Failure(f"{result.check}: {result.message}", LOOK.get(group, "server.py"))


def check_bento(work: Work) -> Iterator[Failure]:
    """`bentoml build` packs it, and the bento answers from another folder"""
    if problem := _not_yet(work) or _not_started(work):
        yield problem
        return
    with tempfile.TemporaryDirectory() as scratch:
        build = Path(scratch) / "build"
        shutil.copytree(work.folder / STRATEGY, build, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "shared_models", build / "shared_models", ignore=shutil.ignore_patterns("__pycache__"))
        words = ["bentoml", "build", "--version", "1", "--arg", f"tag={_saved()[1]}", "--output", "tag"]
        done = program.run(words, strategy=STRATEGY, cwd=build, env=_variables(), timeout=40)
        if done.returncode or f"{MODEL}:1" not in done.stdout:
            yield Failure(f"bentoml build exited {done.returncode}: {_last(done.stderr)}", "server.py at its import")
            return
        packed = yaml.safe_load((Path(_saved()[0].name) / "bentos" / MODEL / "1" / "bento.yaml").read_text("utf-8"))
        if _saved()[1] not in [model["tag"] for service in packed["services"] for model in service["models"]]:
            yield Failure(f"expected the model {_saved()[1]} in the bento; found none", "stored, in the class; hint 2")
        serve = ["bentoml", "serve", f"{MODEL}:1", "--host", "127.0.0.1", "--port", "{port}"]
        with program.start(serve, strategy=STRATEGY, cwd=Path(scratch), port=0, env=_variables()) as running:
            client = servelab.connect(running.url, "v1", MODEL)
            golden = client.model.golden()
            try:
                found = client.predict(golden.inputs[:1]).argmax()
            except ServelabError as error:
                yield Failure(f"the bento does not answer: {error}", "what server.py reads of its surroundings")
                return
            if found != golden.outputs[0].argmax():
                yield Failure(f"expected the bento to say {golden.outputs[0].argmax()}; found {found}", "predict")


def _not_yet(work: Work) -> Failure | None:
    """A service that is none is not started: it would only be waited for."""
    found, problem = _apis(work.folder / STRATEGY)
    if problem or found.get("predict") != APIS["predict"]:
        return Failure(
            f"not asked yet: there is no service with an API predict at {APIS['predict']}", "the first check"
        )
    return None


def _not_started(work: Work) -> Failure | None:
    """A service that does not predict would be waited for once more by everything that comes now."""
    if not _start(work.folder / STRATEGY):
        return None
    return Failure("not asked yet: the service makes no prediction", "the second check")


@functools.cache
def _start(folder: Path) -> str:
    """What is wrong with the service's start and first prediction; empty when it predicts."""
    try:
        servelab.serve(folder, MODEL, timeout=READY, grace=1.0).stop()
    except ServelabError as error:
        return str(error).partition("\nIts command was")[0]
    return ""


@functools.cache
def _apis(folder: Path) -> tuple[dict[str, str], str]:
    """The routes of the learner's service by the names of its APIs; or what is wrong with it."""
    if not (folder / "server.py").is_file():
        return {}, f"expected {folder / 'server.py'}; found none. Begin anew with: make lesson N=09 AGAIN=1"
    try:
        done = program.run(["python", "-c", TELL], strategy=STRATEGY, cwd=folder, env=_variables(), timeout=READY)
    except ServelabError:
        return {}, f"expected server.py to be imported within {READY:g} s; it was not: an endless loop?"
    told = [line for line in done.stdout.splitlines() if line.startswith(FOUND)]
    if done.returncode or not told:
        ended = f"its import ended the process with status {done.returncode}: sys.exit, os._exit?"
        return {}, f"it does not import: {_last(done.stderr, ended)}"
    return json.loads(told[-1].removeprefix(FOUND)), ""


@functools.cache
def _saved() -> tuple["tempfile.TemporaryDirectory[str]", str]:
    """A store of this check's own with the model in it, and the model's tag."""
    store = tempfile.TemporaryDirectory(prefix="store-")
    env = {"MODEL": MODEL, "BENTOML_HOME": store.name, "BENTOML_DO_NOT_TRACK": "True"}
    done = program.run(["python", "store.py"], strategy=STRATEGY, cwd=ROOT / "strategies" / STRATEGY, env=env)
    if done.returncode:
        raise ServelabError(f"strategies/{STRATEGY}/store.py: {_last(done.stderr)}")
    return store, done.stdout.strip()


def _variables() -> dict[str, str]:
    store, _ = _saved()
    return {"MODEL": MODEL, "BENTOML_HOME": store.name, "BENTOML_DO_NOT_TRACK": "True"}


def _last(text: str, nothing: str = "it said nothing") -> str:
    """The last line of a traceback, with the learner's line that it came from."""
    lines = text.strip().splitlines() or [nothing]
    where = re.findall(r'server\.py", line (\d+)', text)
    return lines[-1].strip() + (f" (server.py, line {where[-1]})" if where else "")
