"""The figures as a table for a terminal, as Markdown, and as JSON."""

from collections.abc import Iterable
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as Grid

from bench import results
from bench.table import NOTHING, WIDE, Value, number
from servelab.choose.figures import Arm, Figures, Measured

TITLES = ("strategy", "CPU µs", "p50 ms", "p99 ms", "capacity/s", "RSS MB", "ready s", "processes", "errors")
FLOOR = "in-process"
BELOW = "Response times count from the intended send time, at this rate. Figures of two runs do not compare."


def to_json(figures: Figures) -> str:
    """The file that `servelab choose --figures` reads."""
    return results.dumps(figures) + "\n"


def rows(run: Measured) -> list[list[str]]:
    """The cells of every strategy, and of the plain call in process."""
    floor: list[Value] = [run.floor_cpu_us, run.floor_p50_ms, *[None] * 6]
    return [
        *([f"{arm.name} (VOID)" if arm.void else arm.name, *map(number, _values(arm))] for arm in run.arms),
        [FLOOR, *map(number, floor)],
    ]


def _values(arm: Arm) -> list[Value]:
    return [arm.cpu_us, arm.p50_ms, arm.p99_ms, arm.capacity_per_s, arm.rss_mb, arm.ready_s, arm.processes, arm.errors]


def headline(run: Measured) -> str:
    """What was measured, in one line."""
    return (
        ("INCOMPLETE: " if not run.complete else "")
        + ("SCREENING: " if run.screening else "")
        + f"{run.model} version {run.version}, {run.scenario}, {run.boots} boot{'s' * (run.boots > 1)} x {run.rounds} "
        + f"round{'s' * (run.rounds > 1)} of {run.seconds:g} s, {run.workers} worker{'s' * (run.workers > 1)} asked for"
    )


def notes(run: Measured) -> list[str]:
    """Findings, budgets, the machine, and where it all comes from."""
    machine = run.machine
    return [
        *(f"{code}: {', '.join(names)} (bench explain {code})" for code, names in _findings(run).items()),
        *(f"{arm.name}: {arm.budget}" for arm in run.arms),
        f"Machine: {machine.cpu}, {machine.cores} cores, {machine.memory_mb / 1000:.1f} GB",
        f"System: {machine.system}, Python {machine.python}",
        f"From: {run.folder}, revision {run.revision or NOTHING}",
    ]


def _findings(run: Measured) -> dict[str, list[str]]:
    """The arms of each finding."""
    arms: dict[str, list[str]] = {}
    for arm in run.arms:
        for code in arm.findings:
            arms.setdefault(code, []).append(arm.name)
    return arms


def show(figures: Figures, console: Console) -> None:
    """Print a table for each run; nothing is cut."""
    console.width = max(console.width, WIDE)
    for run in figures.runs:
        console.print(headline(run), markup=False, soft_wrap=True)
        grid = Grid(box=SIMPLE_HEAD, pad_edge=False)
        for title in TITLES:
            grid.add_column(title, justify="left" if title == TITLES[0] else "right", no_wrap=True)
        for cells in rows(run):
            grid.add_row(*cells)
        console.print(grid)
        for note in notes(run):
            console.print(note, markup=False, soft_wrap=True)
        console.print()
    console.print(BELOW, markup=False, soft_wrap=True)


def to_markdown(figures: Figures) -> str:
    """The same as Markdown."""
    parts: list[str] = []
    for run in figures.runs:
        parts += [f"**{headline(run)}**", "", *grid(TITLES, rows(run)), "", *(f"- {note}" for note in notes(run)), ""]
    return "\n".join([*parts, BELOW, ""])


def grid(titles: Iterable[str], cells: Iterable[Iterable[str]]) -> list[str]:
    """A Markdown table: the first column to the left, figures to the right."""
    named = list(titles)
    lines: list[Any] = [named, [":--", *["--:"] * (len(named) - 1)], *cells]
    return [f"| {' | '.join(line)} |" for line in lines]
