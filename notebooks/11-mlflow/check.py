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
# In this order; the last one is for the servers.
CALLS = {
    "promote": ["promote", SECOND],
    "again": ["promote", SECOND],
    "unknown": ["promote", UNKNOWN],
    "recipe": ["recipe", FIRST],
    "take_back": ["take_back"],
    "once more": ["promote", SECOND],
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
    """recipe: how version 1 was made, although version 2 answers"""
    said, runs = _said(work.folder)["recipe"], _said(work.folder)["runs"]
    yield from _raised("recipe", said)
    if said["raised"]:
        return
    found = said["returned"] if isinstance(said["returned"], dict) else {}
    for key, value in shared_models.load(MODEL, FIRST).card.training.items():
        if found.get(key) != str(value):
            yield Failure(f"expected {key} to be {str(value)!r}; found {found.get(key)!r}", "the run's data.params")
    if found.get("run_id") != runs[FIRST]:
        yield Failure(f"expected run_id to be {runs[FIRST]!r}, the run that logged version {FIRST}; "
                      f"found {found.get('run_id')!r}", "get_model_version(name, version).run_id")  # fmt: skip


def check_take_back(work: Work) -> Iterator[Failure]:
    """take_back: champion names version 1 again"""
    if failures := _not_yet(_said(work.folder)):
        yield from failures
        return
    said = _said(work.folder)["take_back"]
    yield from _raised("take_back", said)
    if not said["raised"] and said["returned"] != FIRST:
        yield Failure(f"expected take_back to return {FIRST!r}; found {said['returned']!r}", "what it returns")
    if said["aliases"].get("champion") != FIRST:
        yield Failure(f"expected champion to name version {FIRST}; found {said['aliases']}", "the alias previous")


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
    words = ["python", str(HERE / "drive.py"), json.dumps(list(CALLS.values()))]
    env = _store() | {"PYTHONPATH": path}
    try:
        done = program.run(words, strategy="mlflow", cwd=folder, env=env, timeout=SECONDS)
    except ServelabError:
        return _nothing(f"expected all calls to end within {SECONDS:g} s; they did not: an endless loop?")
    if done.returncode:
        nothing = f"the process ended with status {done.returncode}: sys.exit, os._exit, a crash?"
        last = (done.stderr.strip().splitlines() or [nothing])[-1]
        if where := re.findall(r'champion\.py", line (\d+)', done.stderr):
            last += f" (champion.py, line {where[-1]})"
        return _nothing(last)
    return dict(zip([*CALLS, "runs"], json.loads(done.stdout.splitlines()[-1]), strict=True))


def _nothing(why: str) -> Said:
    """What is said of each call when none could be made."""
    return {"runs": {}} | {name: {"returned": None, "raised": why, "aliases": {}} for name in CALLS}


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
