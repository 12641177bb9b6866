"""Is version 2 promoted by its alias, can that be taken back, and is version 1 still there with its story?"""

import contextlib
import functools
import json
import os
import re
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import servelab
import shared_models
from notebooks.course import program
from notebooks.course.check import Failure, Work
from servelab.errors import ServelabError
from servelab.paths import ROOT

HERE, STRATEGY = Path(__file__).parent, ROOT / "strategies" / "mlflow"
MODEL, FIRST, SECOND, UNKNOWN = "mnist", "1", "2", "9"
SERVE = ("uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--no-access-log", "server:app")
# In this order; after the last one champion names version 2, for the servers.
CALLS = {
    "promote": ["promote", SECOND],
    "again": ["promote", SECOND],
    "unknown": ["promote", UNKNOWN],
    "recipe": ["recipe", FIRST],
    "recipe of the second": ["recipe", SECOND],
    "take_back": ["take_back"],
    "once more": ["promote", SECOND],
    "the older one": ["promote", FIRST],
    "take_back of the older one": ["take_back"],
}
AFTER = {"champion": SECOND, "previous": FIRST}
SECONDS = 25.0  # for all calls; on a busy machine they take five, most of it MLflow's import
Said = dict[str, Any]


def check_promote(work: Work) -> Iterator[Failure]:
    """promote: champion names version 2, previous names version 1"""
    said = _said(work.folder)["promote"]
    yield from _raised("promote", said)
    if not said["raised"]:
        yield from _aliases(f"after promote {SECOND}", said, "set_registered_model_alias, once for each alias")


def check_promote_again(work: Work) -> Iterator[Failure]:
    """promoting the champion again changes nothing, so it can still be taken back"""
    said = _said(work.folder)
    yield from _not_yet(said) or [
        *_raised("promote", said["again"]),
        *_aliases("after promoting the champion", said["again"], "what is champion already stays as it is"),
    ]


def check_promote_unknown(work: Work) -> Iterator[Failure]:
    """promoting a version that is not registered raises, and leaves both aliases alone"""
    said = _said(work.folder)
    if failures := _not_yet(said):
        yield from failures
        return
    unknown = said["unknown"]
    if not unknown["raised"]:
        yield Failure(f"expected promote to raise for version {UNKNOWN}; it returned", "let MLflow's error pass")
    yield from _aliases(f"after version {UNKNOWN}", unknown, "which alias is set first, and what if it is refused?")


def check_recipe(work: Work) -> Iterator[Failure]:
    """recipe: how each version was made, whichever answers"""
    said = _said(work.folder)
    for version, call in ((FIRST, "recipe"), (SECOND, "recipe of the second")):
        if failures := _raised(call, said[call]):
            yield from failures
            return
        found = said[call]["returned"] if isinstance(said[call]["returned"], dict) else {}
        for key, value in shared_models.load(MODEL, version).card.training.items():
            if found.get(key) != str(value):
                what = f"version {version}: expected {key} to be {str(value)!r}; found {found.get(key)!r}"
                yield Failure(what, "the run's data.params")
        if found.get("run_id") != said["runs"][version]:
            what = f"version {version}: expected run_id to be {said['runs'][version]!r}; found {found.get('run_id')!r}"
            yield Failure(what, "the run that logged it: get_model_version(name, version).run_id")


def check_take_back(work: Work) -> Iterator[Failure]:
    """take_back: champion names again what it named before, the older version or the newer"""
    if failures := _not_yet(_said(work.folder)):
        yield from failures
        return
    for call, after, version in (("take_back", SECOND, FIRST), ("take_back of the older one", FIRST, SECOND)):
        said = _said(work.folder)[call]
        if failures := _raised(call, said):
            yield from failures
            return
        if said["returned"] != version:
            what = f"after promote {after}, expected take_back to return {version!r}; found {said['returned']!r}"
            yield Failure(what, "what it returns")
        if said["aliases"].get("champion") != version:
            yield Failure(f"after promote {after} and take_back, expected champion to name version {version}; found "
                          f"{said['aliases']}", "the alias previous")  # fmt: skip


def check_servers(work: Work) -> Iterator[Failure]:
    """a server that starts now answers by version 2; one that is told version 1, by version 1"""
    if failures := _not_yet(_said(work.folder)):
        yield from failures
        return
    wanted = {"": SECOND, FIRST: FIRST}
    with ThreadPoolExecutor() as both:
        answers = list(both.map(_version_that_answers, wanted))
    for (asked, right), found in zip(wanted.items(), answers, strict=True):
        if found != right:
            which = f"models:/{MODEL}/{asked}" if asked else f"models:/{MODEL}@champion"
            yield Failure(f"expected the server of {which} to answer by version {right}; it answers by {found}",
                          "which version champion names")  # fmt: skip


def _not_yet(said: Said) -> list[Failure]:
    """Checks of what follows a promotion do not tell anything before there is one."""
    promoted = said["promote"]["aliases"].get("champion") == SECOND
    return [] if promoted else [Failure(f"not asked yet: champion does not name version {SECOND}", "promote")]


def _raised(call: str, said: Said) -> list[Failure]:
    return [Failure(f"{call}: {said['raised']}", f"{call}, in champion.py")] if said["raised"] else []


def _aliases(when: str, said: Said, look: str) -> list[Failure]:
    found = {alias: said["aliases"].get(alias, "none") for alias in AFTER}
    return [
        Failure(f"{when}, expected {alias} to name version {version}; found {found[alias]}", look)
        for alias, version in AFTER.items()
        if found[alias] != version
    ]


@functools.cache
def _said(folder: Path) -> Said:
    """What came of each call, and the runs by their versions. An error at the import is that of every call."""
    path = os.pathsep.join([str(folder), str(STRATEGY)])
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report"
        words = ["python", str(HERE / "drive.py"), json.dumps(list(CALLS.values())), str(report)]
        try:
            done = program.run(words, "mlflow", folder, _store() | {"PYTHONPATH": path}, timeout=SECONDS)
            why = _end(done.returncode, done.stderr)
        except ServelabError:
            why = f"expected all calls to end within {SECONDS:g} s; this one had not: an endless loop?"
        told = [json.loads(line) for line in report.read_text("utf-8").splitlines()] if report.exists() else []
    runs, *said = told or [{}]
    while len(said) < len(CALLS):
        said.append({"returned": None, "raised": why, "aliases": said[-1]["aliases"] if said else {}})
        why = "not called: an earlier call did not end"
    return {"runs": runs, **dict(zip(CALLS, said, strict=True))}


def _end(status: int, errors: str) -> str:
    """Why a process said no more: its last words, with the learner's line that they came from."""
    nothing = f"the process ended with status {status}: sys.exit, os._exit, a crash?"
    last = (errors.strip().splitlines() or [nothing])[-1] if status else nothing
    where = re.findall(r'champion\.py", line (\d+)', errors)
    return last + (f" (champion.py, line {where[-1]})" if status and where else "")


def _version_that_answers(asked: str) -> str:
    """Which version's goldens a new server gives, of the champion or of the version that is asked for."""
    env = _store() | {"MODEL_VERSION": asked}
    with program.start(SERVE, strategy="mlflow", cwd=STRATEGY, port=0, env=env) as running:
        client = servelab.connect(running.url, "invocations", MODEL)
        with contextlib.closing(client):
            try:
                answers = client.predict(shared_models.load(MODEL, FIRST).golden().inputs)
            except ServelabError as error:
                return f"none: {error}"
    goldens = {version: shared_models.load(MODEL, version).golden().outputs for version in (FIRST, SECOND)}
    return next((version for version, right in goldens.items() if np.allclose(answers, right, atol=1e-5)), "neither")


def _store() -> dict[str, str]:
    """The variables of a store of this check's own: both versions are registered, version 1 is champion."""
    return {"STATE": _folder().name, "MODEL": MODEL, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


@functools.cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
    folder = tempfile.TemporaryDirectory(prefix="check-")
    done = program.run(
        ["python", "prepare.py", MODEL], strategy="mlflow", cwd=STRATEGY, env={"STATE": folder.name}, timeout=50
    )
    if done.returncode:
        raise ServelabError(f"strategies/mlflow/prepare.py: {done.stderr.strip()[-500:]}")
    return folder
