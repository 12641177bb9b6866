"""`bench selftest`: which controls there are, running them, and showing what they found."""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bench import machine
from bench.errors import BenchError
from bench.progress import Progress
from bench.selftest import controls, crosscheck, sabotage
from bench.selftest.controls import Planned
from bench.selftest.judge import Control
from servelab import page
from servelab.paths import ROOT

FAILED: Final = 1
PAGE: Final = ROOT / "docs" / "measuring.md"
SELFTEST: Final = ("<!-- selftest: made by `bench selftest --write` -->", "<!-- end of selftest -->")
CROSS_CHECK: Final = (
    "<!-- cross-check: made by `bench selftest --cross-check --write` -->",
    "<!-- end of cross-check -->",
)
TITLES: Final = ("control", "asks", "found", "must be", "")
ADVICE: Final = (
    "Stop other programs and run the failed ones again with --only NAME. If they still fail, do not believe what the "
    "bench measures here; docs/measuring.md says what each of them asks."
)
WIDE: Final = 1_000  # columns: rich cuts a table at the width that it believes in


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `bench selftest` its options and its action."""
    parser.set_defaults(run=_command)
    parser.add_argument("--only", nargs="+", choices=tuple(available()), metavar="NAME", default=(),
                        help=f"these controls alone: {', '.join(available())}")  # fmt: skip
    parser.add_argument(
        "--cross-check",
        action="store_true",
        help="instead: the stalling server by this engine, and by wrk and hey where they are installed",
    )
    parser.add_argument("--write", action="store_true", help="also put the tables into docs/measuring.md")
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="print JSON instead")
    forms.add_argument("--markdown", action="store_true", help="print Markdown instead")


def available() -> Mapping[str, Planned]:
    """All controls by name, in the order in which they run."""
    return {**controls.PLANNED, **{case.name: Planned(1, case.control) for case in sabotage.CASES}}


def run(progress: Progress, only: Sequence[str] = ()) -> list[Control]:
    """Carry out all controls, or these. Raises BenchError; leaves no process behind."""
    chosen = {name: planned for name, planned in available().items() if not only or name in only}
    progress.start(sum(planned.steps for planned in chosen.values()))

    def tick(text: str) -> None:
        progress.phase(text)
        progress.advance()

    found = []
    for planned in chosen.values():
        start = time.monotonic()
        found.append(replace(planned.run(tick), seconds=time.monotonic() - start))
    return found


def _command(arguments: argparse.Namespace) -> int:
    if arguments.cross_check:
        return _cross_check(arguments)
    if arguments.write and arguments.only:
        raise BenchError("--write is for the whole table: leave --only out")
    with Progress() as progress:
        found = run(progress, arguments.only)
    if arguments.write:
        page.put(PAGE, *SELFTEST, markdown(found))
    if arguments.json:
        print(json.dumps([asdict(control) for control in found], indent=2, ensure_ascii=False))
    elif arguments.markdown:
        print(markdown(found))
    else:
        show(found, Console(highlight=False))
    return 0 if all(control.passed for control in found) else FAILED


def _cross_check(arguments: argparse.Namespace) -> int:
    with Progress() as progress:
        text = crosscheck.markdown(crosscheck.run(progress))
    if arguments.write:
        page.put(PAGE, *CROSS_CHECK, text)
    sys.stdout.write(text + "\n")
    return 0


def show(found: Sequence[Control], console: Console) -> None:
    """The table for a terminal, and a last line that counts."""
    console.width = max(console.width, WIDE)
    table = Table(*TITLES, box=SIMPLE_HEAD, pad_edge=False)
    for control in found:
        table.add_row(*_cells(control))
    console.print(table)
    console.print(_summary(found), markup=False, soft_wrap=True)
    if not all(control.passed for control in found):
        console.print(ADVICE, markup=False, soft_wrap=True)


def markdown(found: Sequence[Control]) -> str:
    """The table for a page."""
    rows = [TITLES, ("---",) * len(TITLES), *map(_cells, found)]
    return "\n".join([*(f"| {' | '.join(row)} |" for row in rows), "", _summary(found)])


def _cells(control: Control) -> tuple[str, ...]:
    return control.name, control.question, control.figure, control.bound, "PASS" if control.passed else "FAIL"


def _summary(found: Sequence[Control]) -> str:
    passed, seconds = sum(control.passed for control in found), sum(control.seconds for control in found)
    where = f"{machine.cpu_model()}, {machine.cores()} CPUs"
    return f"{passed} of {len(found)} controls passed, in {seconds:.0f} s, on {where}."
