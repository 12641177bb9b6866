"""`bench report`: the figures of runs, for a terminal, for a page, and for `servelab choose`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench.errors import BenchError
from bench.report import book, derive, forms
from bench.results import ROOT, Run
from servelab.choose.figures import Figures

JOURNAL = "journal.jsonl"


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `bench report` its options and its action."""
    parser.set_defaults(run=_command)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="of a run, or with runs in it, such as"
                        " results: then the newest complete one of each model (default: docs/measured)")  # fmt: skip
    parser.add_argument("--write", action="store_true", help="also bring docs/measured and docs/strategies up to date")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON instead, for servelab choose --figures")
    form.add_argument("--markdown", action="store_true", help="print Markdown instead")


def _command(arguments: argparse.Namespace) -> int:
    if arguments.write and arguments.folders:
        raise BenchError("--write is for docs/measured: leave the folders out")
    if arguments.write:
        book.write()
    figures = derive.figures(gather(arguments.folders or [book.MEASURED]))
    if arguments.json:
        print(forms.to_json(figures), end="")
    elif arguments.markdown:
        print(forms.to_markdown(figures), end="")
    else:
        forms.show(figures, Console(highlight=False))
    return 0


def report(*folders: Path) -> Figures:
    """The figures of these folders, as the command takes them. Raises BenchError."""
    return derive.figures(gather(folders or [book.MEASURED]))


def gather(folders: Sequence[Path]) -> list[Run]:
    """The runs of these folders: a run's own, or the newest complete ones of each model below it. Raises BenchError."""
    return [run for folder in folders for run in _runs(folder)]


def _runs(folder: Path) -> list[Run]:
    if (folder / JOURNAL).exists() or (ROOT / folder / JOURNAL).exists():
        return [Run.load(folder)]
    newest: dict[str, Run] = {}
    for journal in sorted(folder.glob(f"*/{JOURNAL}")):  # their names begin with the time
        if run := _fit(journal.parent):
            newest[run.environment["model"]["name"]] = run
    if not newest:
        raise BenchError(
            f"expected the folder of a run, or one with complete runs of an open loop in it; found {folder} without. "
            "Make one with: bench run flask fastapi --model mnist"
        )
    return list(newest.values())


def _fit(folder: Path) -> Run | None:
    """The run, when it is complete and its response times hold at a rate; None for others, which lie about."""
    try:
        run = Run.load(folder)
    except BenchError:
        return None
    fit = run.rounds and not run.missing() and run.plan.concurrency is None and run.plan.batch == 1
    return run if fit else None
