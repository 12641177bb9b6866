"""What checks are written with, and the program that runs them.

    python -m notebooks.course.check CHECK.PY FOLDER REPORT

A check.py has functions ``check_<what>(work: Work) -> Iterator[Failure]``; the first line of a docstring names the
check. REPORT becomes one line of JSON a check; what the learner's program prints goes to standard output alone.
"""

import importlib
import importlib.util
import json
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from servelab.errors import ServelabError

CASE = "check_"


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that is not as wanted."""

    what: str  # what was expected, and what was found
    look: str  # what to look at
    unforeseen: bool = False  # an exception or an end that no check expected: nothing was judged


class Unfinished(Exception):
    """The learner's work cannot be checked further; becomes a failure by itself."""

    def __init__(self, what: str, look: str) -> None:
        super().__init__(what)
        self.failure = Failure(what, look)


@dataclass(frozen=True, slots=True)
class Work:
    """The learner's folder."""

    folder: Path

    def module(self, name: str, *wanted: str) -> ModuleType:
        """Import the learner's ``<name>.py`` anew, with whatever it imports from the same folder.

        Raises Unfinished where there is no such file, or no such function or class in it as ``wanted`` names.
        """
        if not (self.folder / f"{name}.py").is_file():
            raise Unfinished(f"expected the file {name}.py; found none", f"{self.folder} (make lesson puts it there)")
        if str(self.folder) not in sys.path:
            sys.path.insert(0, str(self.folder))
        for known, module in list(sys.modules.items()):
            if Path(getattr(module, "__file__", None) or "/").is_relative_to(self.folder):
                del sys.modules[known]
        importlib.invalidate_caches()
        module = importlib.import_module(name)
        if lacking := [each for each in wanted if not callable(getattr(module, each, None))]:
            raise Unfinished(f"expected {' and '.join(wanted)} in {name}.py; found no {' and no '.join(lacking)}",
                             f"{name}.py")  # fmt: skip
        return module


Case = Callable[[Work], Iterator[Failure]]


def cases(file: Path) -> list[Case]:
    """The checks of a check.py, in the order in which they stand there."""
    specification = importlib.util.spec_from_file_location("course_check", file)
    assert specification is not None  # noqa: S101 - it is a .py file
    assert specification.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # dataclasses look there
    specification.loader.exec_module(module)
    return [value for name, value in vars(module).items()
            if name.startswith(CASE) and getattr(value, "__module__", "") == specification.name]  # fmt: skip


def title(case: Case) -> str:
    """What a check is called: the first line of its docstring."""
    return (case.__doc__ or case.__name__).strip().partition("\n")[0].rstrip(".")


def examine(case: Case, work: Work) -> list[Failure]:
    """Every failure of one check; an exception is one more, and the check's last."""
    found: list[Failure] = []
    try:
        for failure in case(work):
            found.append(failure)  # noqa: PERF402 - those before an exception count too
    except Unfinished as error:
        found.append(error.failure)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too: learners' code may end its process
        found.append(from_exception(error, work))
    return found


def from_exception(error: BaseException, work: Work) -> Failure:
    """An exception as a failure: its type and message, and the learner's line that it came from."""
    line = _learners_line(error, work)
    if isinstance(error, NotImplementedError):
        return Failure("not written yet" + (f": {error}" if str(error) else ""), line or "your code")
    if isinstance(error, ServelabError):
        return Failure(str(error), line or "what it said, above")
    if not line:
        last = traceback.extract_tb(error.__traceback__)[-1]
        line = f"{Path(last.filename).name}:{last.lineno}, where the check itself stopped: {last.line}"
    return Failure(f"{type(error).__name__}: {error}".rstrip(": "), line, unforeseen=True)


def _learners_line(error: BaseException, work: Work) -> str:
    places = [(Path(frame.filename), frame.lineno, frame.line) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        places.append((Path(error.filename), error.lineno, (error.text or "").strip()))
    for file, number, line in reversed(places):
        if file.is_relative_to(work.folder):
            return f"{file.relative_to(work.folder)}:{number}: {line}"
    return ""


def main() -> None:
    """Run every check of a lesson, and report each when it is done."""
    file, folder, report = map(Path, sys.argv[1:])
    work = Work(folder.resolve())
    with report.open("a", encoding="utf-8", buffering=1) as lines:
        for case in cases(file):
            _tell(lines, begun=title(case))
            _tell(lines, check=title(case), failures=[asdict(failure) for failure in examine(case, work)])
        _tell(lines, done=True)
    sys.stdout.flush()


def _tell(lines: Any, **values: object) -> None:
    lines.write(json.dumps(values) + "\n")


if __name__ == "__main__":
    from notebooks.course.check import main as run  # the module that checks import, so that there is one Unfinished

    run()
