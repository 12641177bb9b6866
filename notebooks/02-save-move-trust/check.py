"""load(folder) of notebooks/work/02/loader.py: one good artifact, and those that must be refused by name."""

import functools
import hashlib
import json
import pickle
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from notebooks.course import program
from notebooks.course.check import Failure, Work
from servelab.errors import ServelabError

HERE = Path(__file__).parent
SECONDS = 30  # that all of them may take; they take two
LOOK = "load in loader.py: what is asked before pickle.loads?"


class Gift:
    """What a stranger may put into a pickle: who opens it calls a function of the stranger's choice."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return open, (str(self.mark), "w")


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of each artifact, what a refusal of it must mention, and whether the stranger's code ran."""

    found: dict[str, dict[str, Any]]
    mentions: dict[str, tuple[str, ...]]
    ran: bool


@functools.cache
def trial(folder: Path) -> Trial:
    """Try the learner's loader on all artifacts, where scikit-learn is."""
    with tempfile.TemporaryDirectory() as scratch:
        report, mark, artifacts = Path(scratch, "report"), Path(scratch, "opened"), Path(scratch, "artifacts")
        mentions = make(artifacts, mark)
        ended = attempt(folder, artifacts, report)
        names = sorted(each.name for each in artifacts.iterdir())
        found = json.loads(report.read_text("utf-8")) if report.exists() else {}
        nothing = {"outcome": "it was not reached", "message": ended, "line": "loader.py"}
        return Trial({name: found.get(name, nothing) for name in names}, mentions, mark.exists())


def attempt(folder: Path, artifacts: Path, report: Path) -> str:
    """Let the learner's loader try the artifacts; how that ended, which matters when some were not reached."""
    try:
        done = program.run(["python", HERE / "trial.py", folder, artifacts, report], strategy="mlflow", timeout=SECONDS)
    except ServelabError:
        return f"the artifact before it, or the import of loader.py, did not end within {SECONDS} s"
    print(done.stdout, end="")  # the learner's own
    return (done.stderr.strip().splitlines() or [f"the process ended with status {done.returncode}"])[-1]


def make(artifacts: Path, mark: Path) -> dict[str, tuple[str, ...]]:
    """One good artifact, fresh from training, and the bad ones; returns what each refusal must mention."""
    done = program.run(["python", HERE / "save.py", artifacts / "good"], strategy="mlflow", timeout=40)
    if done.returncode:
        raise RuntimeError(done.stderr)
    data = (artifacts / "good" / "model.pkl").read_bytes()
    card = json.loads((artifacts / "good" / "card.json").read_text("utf-8")) | {"sha256": sha256(data)}
    (artifacts / "good" / "card.json").write_text(json.dumps(card), "utf-8")
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    bad = {"a-strangers-gift": pickle.dumps(Gift(mark)), "flipped-byte": bytes(flipped),
           "half-a-copy": data[: len(data) // 2], "no-card": data}  # fmt: skip
    for name, content in bad.items():
        shutil.copytree(artifacts / "good", artifacts / name)
        (artifacts / name / "model.pkl").write_bytes(content)
    (artifacts / "no-card" / "card.json").unlink()
    cards = {"half-a-card": json.dumps(card)[:40], "card-without-versions": json.dumps({"sha256": card["sha256"]})}
    for name, text in cards.items():
        shutil.copytree(artifacts / "good", artifacts / name)
        (artifacts / name / "card.json").write_text(text, "utf-8")
    old = HERE / "old" / "regression"
    shutil.copytree(old, artifacts / "older-scikit-learn")
    made_by = json.loads((old / "card.json").read_text("utf-8"))["libraries"]["scikit-learn"]
    hashes = {name: (sha256(data)[:8], sha256(content)[:8]) for name, content in bad.items() if name != "no-card"}
    versions = (made_by, card["libraries"]["scikit-learn"])
    return hashes | {"no-card": ("card.json",), "older-scikit-learn": versions}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def check_good(work: Work) -> Iterator[Failure]:
    """the good artifact is loaded, and predicts"""
    good = trial(work.folder).found["good"]
    if good["outcome"] != "loaded":
        yield Failure(f"expected the model; {good['outcome']}: {good['message']}", good.get("line") or LOOK)
    elif good["answer"] != [0]:
        yield Failure(f"expected a model that answers [0], setosa; found {good['message']}", "what load returns")


def check_flipped_byte(work: Work) -> Iterator[Failure]:
    """a flipped byte is refused, with both hashes"""
    yield from refused(work, "flipped-byte")


def check_half_a_copy(work: Work) -> Iterator[Failure]:
    """half a copy is refused, with both hashes"""
    yield from refused(work, "half-a-copy")


def check_no_card(work: Work) -> Iterator[Failure]:
    """an artifact without a card, with half of one, or with one that says too little, is refused"""
    for name in ("no-card", "half-a-card", "card-without-versions"):
        yield from refused(work, name)


def check_older(work: Work) -> Iterator[Failure]:
    """a model of another scikit-learn is refused, with both versions"""
    yield from refused(work, "older-scikit-learn")


def check_gift(work: Work) -> Iterator[Failure]:
    """a stranger's file is refused, and its code never runs"""
    if trial(work.folder).ran:
        yield Failure("the stranger's code ran: the file was unpickled before it was checked", LOOK)
    yield from refused(work, "a-strangers-gift")


def refused(work: Work, name: str) -> Iterator[Failure]:
    """What is wrong with what became of a bad artifact."""
    tried = trial(work.folder)
    found, message = tried.found[name], tried.found[name]["message"]
    if found["outcome"] != "refused":
        yield Failure(f"{name}: expected Refused; {found['outcome']}: {message}", found.get("line") or LOOK)
        return
    for looked_up in found["unpickled"]:
        yield Failure(f"{name}: it was refused too late; unpickling it had begun, and looked up {looked_up}", LOOK)
    for wanted in (name, *tried.mentions.get(name, ())):
        if wanted not in message:
            yield Failure(f"{name}: expected a message that mentions {wanted}; found: {message}",
                          "what Refused is given: the folder, what was expected, what was found")  # fmt: skip
