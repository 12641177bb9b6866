"""A lesson is a folder: lesson.toml states its facts, lesson.py is its page, exercise/ what is left to the learner."""

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from servelab import strategy as strategies
from servelab.contract import nearest, read
from servelab.errors import ServelabError, StrategyError
from servelab.paths import ROOT

NOTEBOOKS = ROOT / "notebooks"
NAME = re.compile(r"\d\d-[a-z0-9]+(-[a-z0-9]+)*")
PIPELINES = ("pipelines/v1", "pipelines/v2")  # environments that a lesson may need, beside those of strategies
SEEDS = ("000", "001", "002", "003", "004")


class LessonError(ServelabError):
    """A lesson folder breaks the contract; the message names the file, what was expected and what was found."""


@dataclass(frozen=True, slots=True)
class Exercise:
    """What the learner is asked to do; ``strategy`` is copied to the learner's folder, exercise/ laid over it."""

    task: str
    strategy: str = ""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One lesson, as its lesson.toml states it (the file is the field list below, one key each)."""

    folder: Path
    title: str
    idea: str
    minutes: int  # that a learner takes
    tier: Literal[0, 1, 2]  # 0: a laptop; 1: a container engine for a part; 2: a cluster for a part
    limit: int  # seconds that the page may take to run from top to bottom
    ran: int  # seconds that it took
    exercise: Exercise
    strategies: tuple[str, ...] = ()  # whose environments page and check need
    seeds: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its folder's name."""
        return self.folder.name

    @property
    def number(self) -> str:
        """Two digits: ``04``."""
        return self.name[:2]

    @property
    def heading(self) -> str:
        """The page's first line."""
        return f"# {self.number} · {self.title}"

    @property
    def source(self) -> Path:
        """The page, as a Python file in percent format."""
        return self.folder / "lesson.py"

    @property
    def notebook(self) -> Path:
        """The page as a notebook, derived."""
        return self.folder / f"{self.name}.ipynb"


def folders() -> list[Path]:
    """The folders of all lessons, in their order."""
    return sorted(path for path in NOTEBOOKS.glob("[0-9][0-9]-*") if path.is_dir())


def folder(number: str) -> Path:
    """The folder of a lesson by its number, ``4`` or ``04``, or by a path to it; LessonError where there is none."""
    if "/" in number and Path(number).is_dir():
        return Path(number).resolve()
    known = folders()
    for path in known:
        if number and number.rjust(2, "0") == path.name[:2]:
            return path
    raise LessonError(f"expected a lesson's number, as in N=04; found {number!r}. The lessons are: "
                      f"{', '.join(path.name[:2] for path in known)}")  # fmt: skip


def load(folder: Path) -> Lesson:
    """The lesson in a folder. Raises LessonError when its lesson.toml breaks the contract."""
    file = folder / "lesson.toml"
    if not NAME.fullmatch(folder.name):
        raise LessonError(f"{folder}: expected a folder named like 04-flask-by-hand: two digits, then words")
    try:
        lesson = read(Lesson, tomllib.loads(file.read_text("utf-8")), file, folder=folder)
    except OSError as error:
        raise LessonError(f"expected {file}, the lesson's facts ({error.strerror}); see notebooks/README.md") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LessonError(f"{file}: expected a TOML file; {error}") from None
    except StrategyError as error:
        raise LessonError(str(error)) from None
    _judge(lesson, file)
    return lesson


def _judge(lesson: Lesson, file: Path) -> None:
    _known(file, "strategies", lesson.strategies, (*strategies.names(), *PIPELINES))
    _known(file, "exercise.strategy", filter(None, [lesson.exercise.strategy]), strategies.names())
    _known(file, "seeds", lesson.seeds, SEEDS)
    for key in ("minutes", "limit", "ran"):
        if getattr(lesson, key) < 1:
            raise LessonError(f"{file}: {key} must be at least 1; found {getattr(lesson, key)}")
    for key, text in {"title": lesson.title, "idea": lesson.idea, "exercise.task": lesson.exercise.task}.items():
        if not text.strip() or "\n" in text:
            raise LessonError(f"{file}: {key} must be one line of text; found {text!r}")
    if lesson.ran > lesson.limit:
        raise LessonError(f"{file}: ran = {lesson.ran} s is over limit = {lesson.limit} s; raise the limit to about "
                          f"four times what the page takes, or make the page shorter")  # fmt: skip


def _known(file: Path, key: str, found: Iterable[str], known: Sequence[str]) -> None:
    for each in found:
        if each not in known:
            raise LessonError(f"{file}: {key}: unknown {each!r}{nearest(each, known)}; expected some of: "
                              f"{', '.join(known)}")  # fmt: skip
