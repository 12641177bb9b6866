"""A result for people (table, Markdown) and for programs (CSV, JSON). Every form shows the same rows."""

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bench.figures import QUANTILES
from bench.gates import Finding
from bench.results import Result
from bench.summary import Ratio, Row

NOTHING = "-"
WIDE = 1_000  # columns: rich cuts a table at the width that it believes in, and a cut figure is a wrong one


class Column(NamedTuple):
    title: str
    key: str  # in CSV
    value: Callable[[Row], float | int | None]
    judged: bool = True  # withheld from a void row


def _columns(memory_kind: str) -> tuple[Column, ...]:
    return (
        *(Column(f"{name} ms", f"{name}_ms", _percentile(name)) for name in QUANTILES),
        Column("CPU µs", "cpu_us", lambda row: row.cpu_us),
        Column(f"{memory_kind} MB", "memory_mb", lambda row: row.memory_mb),
        Column("offered/s", "offered_per_s", lambda row: row.offered, judged=False),
        Column("achieved/s", "achieved_per_s", lambda row: row.achieved),
        Column("capacity/s", "capacity_per_s", lambda row: row.capacity),
        Column("errors", "errors", _errors, judged=False),
    )


def _percentile(name: str) -> Callable[[Row], float | None]:
    return lambda row: row.response[name]


def _errors(row: Row) -> int | None:
    return None if row.offered is None else sum(row.errors.values())


def _value(column: Column, row: Row) -> float | int | None:
    return None if row.void and column.judged else column.value(row)


def number(value: float | None) -> str:
    """Three significant digits of a positive figure, and at most three decimals; whole numbers in full."""
    if value is None:
        return NOTHING
    if isinstance(value, int) or not math.isfinite(value):
        return f"{value:,}"
    decimals = min(3, max(0, 2 - math.floor(math.log10(value)))) if value > 0 else 0
    return f"{value:,.{decimals}f}"


def _rows(result: Result) -> list[Row]:
    return [*result.summary.rows, result.summary.floor]


def _name(row: Row) -> str:
    return f"{row.name} (VOID)" if row.void else row.name


def _grid(result: Result) -> tuple[list[str], list[list[str]]]:
    columns = _columns(result.summary.rows[0].memory_kind)
    cells = [[_name(row), *(number(_value(column, row)) for column in columns)] for row in _rows(result)]
    return ["arm", *(column.title for column in columns)], cells


def show(result: Result, console: Console) -> None:
    """Print the table and what belongs to it; nothing is cut, and long lines are left to the terminal or the pager."""
    console.width = max(console.width, WIDE)
    titles, cells = _grid(result)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in titles:
        table.add_column(title, justify="left" if title == titles[0] else "right", no_wrap=True)
    for line in cells:
        table.add_row(*line)
    console.print(headline(result), markup=False, soft_wrap=True)
    console.print(table)
    for note in notes_below(result):
        console.print(note, markup=False, soft_wrap=True)


def headline(result: Result) -> str:
    """What was done, in one line."""
    plan = result.plan
    source = "as asked" if plan.rate else "40 % of the slowest capacity"
    kind = "SCREENING: " if plan.screening else ""
    name = result.environment["model"]["name"]
    return (
        f"{kind}{name} version {result.version}, Poisson arrivals at {result.rate:,.1f}/s "
        f"({source}), {plan.pairs} round{'s' * (plan.pairs > 1)} of {plan.seconds:g} s per arm"
        + (f", {plan.batch} predictions per request" if plan.batch > 1 else "")
        + (f", {plan.workers} workers" if plan.workers > 1 else "")
    )


def notes_below(result: Result) -> list[str]:
    """Ratios, findings, the machine, and where everything was saved."""
    machine = result.environment
    screening = ", screening" if result.plan.screening else ""
    return [
        "Response times count from the intended send time; all figures are medians over rounds; CPU is per prediction.",
        *(describe_ratio(ratios) + screening for ratios in _by_arm(result.summary.ratios)),
        *_described(result.summary.findings),
        f"Machine: {machine['cpu']}, {machine['cores']} cores, {machine['memory_mb'] / 1000:.1f} GB",
        f"System: {machine['system']}, Python {machine['python']}",
        f"Saved: {_short(result.folder)}",
    ]


def _short(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _described(findings: Sequence[Finding]) -> list[str]:
    """One line for each finding, and one for all arms that share it."""
    arms: dict[Finding, list[str]] = {}
    for finding in findings:
        arms.setdefault(replace(finding, arm=""), []).append(finding.arm)
    return [str(replace(finding, arm=", ".join(names))) for finding, names in arms.items()]


def _by_arm(ratios: Sequence[Ratio]) -> list[list[Ratio]]:
    arms = dict.fromkeys(ratio.arm for ratio in ratios)
    return [[ratio for ratio in ratios if ratio.arm == arm] for arm in arms]


def describe_ratio(ratios: Sequence[Ratio]) -> str:
    """One line for the ratios of one arm to the base."""
    parts = [f"{r.figure} {number(r.median)} ({number(r.low)}..{number(r.high)})" for r in ratios]
    return f"{ratios[0].arm} / {ratios[0].base}: {', '.join(parts)}; median (min..max) of the ratios by round"


def to_csv(result: Result) -> str:
    """The rows with full precision; empty fields where there is nothing to say."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    columns = _columns(result.summary.rows[0].memory_kind)
    writer.writerow(["arm", *(column.key for column in columns), "memory_kind", "void"])
    for row in _rows(result):
        values = (_value(column, row) for column in columns)
        writer.writerow([row.name, *values, row.memory_kind, str(row.void).lower()])
    return stream.getvalue()


def to_markdown(result: Result) -> str:
    """A Markdown table with the notes as a list."""
    titles, cells = _grid(result)
    rule = [":--", *["--:"] * (len(titles) - 1)]
    lines = [f"| {' | '.join(line)} |" for line in (titles, rule, *cells)]
    return "\n".join([f"**{headline(result)}**", "", *lines, "", *(f"- {note}" for note in notes_below(result)), ""])
