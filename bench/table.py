"""A result for people (tables, Markdown) and for programs (CSV, JSON). Every form shows the same rows."""

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as Grid

from bench import verdict
from bench.figures import QUANTILES
from bench.gates import Finding
from bench.journal import fields_of
from bench.load.schedule import Arrivals
from bench.results import ROOT, Plan, Run
from bench.summary import Row, Summary, Table, summarise

NOTHING = "-"
WIDE = 1_000  # columns: rich cuts a table at the width that it believes in, and a cut figure is a wrong one
Value = float | int | str | None


class Column(NamedTuple):
    title: str
    key: str  # in CSV
    value: Callable[[Row], Value]
    judged: bool = True  # withheld from a void row
    decimals: int = 3  # at most


@dataclass(frozen=True, slots=True)
class Result:
    """A run with what it says."""

    run: Run
    summary: Summary

    @classmethod
    def of(cls, run: Run) -> "Result":
        return cls(run, summarise(run))

    def to_dict(self) -> dict[str, Any]:
        """Everything, for run.json; `bench.results.dumps` makes it strict JSON."""
        run = fields_of(self.run) | {"folder": self.run.folder.name, "summary": self.summary}
        return {"screening": self.run.screening, "complete": not self.run.missing(), **run}


def _latency(_: Plan) -> list[Column]:
    return [
        *(Column(f"{name} ms", f"{name}_ms", _percentile("response", name)) for name in QUANTILES),
        *(Column(f"service {name}", f"service_{name}_ms", _percentile("service", name)) for name in ("p50", "p99")),
        Column("tax ms", "tax_ms", lambda row: row.tax_ms),
        Column("offered/s", "offered_per_s", lambda row: row.offered, judged=False),
        Column("achieved/s", "achieved_per_s", lambda row: row.achieved),
        Column("errors", "errors", _errors, judged=False),
        Column("load %", "load_percent", lambda row: None if row.load is None else 100 * row.load, judged=False),
        Column("ran out", "ran_out", lambda row: row.ran_out or None, judged=False),
    ]


def _cost(plan: Plan) -> list[Column]:
    price = [Column("cost/million", "cost_per_million", lambda row: row.per_million(plan.price), decimals=6)]
    return [
        Column("CPU µs", "cpu_us", lambda row: row.cpu_us),
        Column("million/core-hour", "million_per_core_hour", lambda row: row.per_core_hour / 1e6),
        *(price if plan.price is not None else []),
        Column("RSS MB", "rss_mb", lambda row: row.rss_mb),
        Column("PSS MB", "pss_mb", lambda row: row.pss_mb),
        Column("ready s", "ready_s", lambda row: row.ready_s),
        Column("first ms", "first_ms", lambda row: row.first_ms),
        Column("capacity/s", "capacity_per_s", lambda row: row.capacity),
    ]


def _percentile(kind: str, name: str) -> Callable[[Row], Value]:
    return lambda row: getattr(row, kind).get(name)


def _errors(row: Row) -> Value:
    return None if row.offered is None else sum(row.errors.values())


def _value(column: Column, row: Row) -> Value:
    return None if row.void and column.judged else column.value(row)


def number(value: Value, most: int = 3) -> str:
    """Three significant digits of a positive figure, at most so many decimals; whole numbers and words in full."""
    if value is None:
        return NOTHING
    if isinstance(value, str):
        return value
    if isinstance(value, int) or not math.isfinite(value):
        return f"{value:,}"
    decimals = min(most, max(0, 2 - math.floor(math.log10(value)))) if value > 0 else 0
    return f"{value:,.{decimals}f}"


def _name(row: Row) -> str:
    return f"{row.name} (VOID)" if row.void else row.name


def _grids(result: Result, table: Table) -> list[tuple[list[str], list[list[str]]]]:
    """Latency, and cost: titles and cells of each."""
    rows = [*table.rows, result.summary.floor]
    return [
        (
            ["arm", *(column.title for column in columns)],
            [[_name(row), *(number(_value(column, row), column.decimals) for column in columns)] for row in rows],
        )
        for columns in (_latency(result.run.plan), _cost(result.run.plan))
    ]


def show(result: Result, console: Console) -> None:
    """Print the tables and what belongs to them; nothing is cut: long lines are left to the terminal or the pager."""
    console.width = max(console.width, WIDE)
    console.print(headline(result), markup=False, soft_wrap=True)
    for table in result.summary.tables:
        if len(result.summary.tables) > 1:
            console.print(f"\nWith {table.budget}:", markup=False, soft_wrap=True)
        for titles, cells in _grids(result, table):
            grid = Grid(box=SIMPLE_HEAD, pad_edge=False)
            for title in titles:
                grid.add_column(title, justify="left" if title == titles[0] else "right", no_wrap=True)
            for row in cells:
                grid.add_row(*row)
            console.print(grid)
        for line in verdict.lines(table.verdicts, table.groups):
            console.print(line, markup=False, soft_wrap=True)
    for note in notes_below(result):
        console.print(note, markup=False, soft_wrap=True)


def headline(result: Result) -> str:
    """What was done, in one line."""
    run, plan = result.run, result.run.plan
    return (
        ("SCREENING: " if run.screening else "")
        + ("INCOMPLETE: " if run.missing() else "")
        + f"{run.environment['model']['name']} version {run.version}, {scenario(run)}, "
        + f"{plan.boots} boot{'s' * (plan.boots > 1)} x {plan.rounds} round{'s' * (plan.rounds > 1)} "
        + f"of {plan.seconds:g} s per arm"
        + (f", {plan.batch} predictions per request" if plan.batch > 1 else "")
        + (f", {plan.workers} workers" if plan.workers > 1 else "")
    )


def scenario(run: Run) -> str:
    """How requests came, with the name that MLPerf Inference gives to it where it has one."""
    plan = run.plan
    if plan.concurrency is None:
        found = (
            "as recorded, and over again"
            if plan.arrivals.startswith("trace")
            else "40 % of the slowest capacity in the first boot"
        )
        source = "as asked" if plan.rate else found
        kind = "Server scenario, " if plan.arrivals == "poisson" else ""
        return f"{kind}{Arrivals.parse(plan.arrivals).label} at {run.rate or 0:,.1f}/s ({source})"
    if plan.concurrency == 1:
        return f"{'Multi' if plan.batch > 1 else 'Single'}Stream scenario, closed loop of one client"
    return f"closed loop of {plan.concurrency} clients: response times say nothing about an open one"


def notes_below(result: Result) -> list[str]:
    """Findings, rounds that do not count, budgets, the machine, and where everything was saved."""
    run, summary = result.run, result.summary
    machine = run.environment
    made = summary.kept + summary.dropped
    return [
        "Response times count from the intended send time, service times from the sending; all are medians of rounds.",
        "Ran out: who had no CPU time left to give; idle: nobody.",
        *([f"{summary.dropped} of {made} rounds did not count: {run.dropped[-1].noise}"] if summary.dropped else []),
        *(
            [f"Resumed {'once' if run.resumed == 1 else f'{run.resumed} times'}: these rounds are of several sittings"]
            if run.resumed
            else []
        ),
        *merged(summary.findings),
        *(["More about each finding: bench explain CODE"] if summary.findings else []),
        *(f"{row.name}: {row.budget}" for row in summary.rows),
        f"Machine: {machine['cpu']}, {machine['cores']} cores, {machine['memory_mb'] / 1000:.1f} GB",
        f"System: {machine['system']}, Python {machine['python']}",
        f"Saved: {shown(run.folder)}" + (f"; go on with: bench resume {shown(run.folder)}" if run.missing() else ""),
    ]


def shown(folder: Path) -> Path:
    """As it is named from the repository's root, where it lies below that."""
    return folder.relative_to(ROOT.parent) if folder.is_relative_to(ROOT.parent) else folder


def merged(findings: Sequence[Finding]) -> list[str]:
    """One line for each finding, and one for all arms that share it."""
    arms: dict[Finding, list[str]] = {}
    for finding in findings:
        arms.setdefault(replace(finding, arm=""), []).append(finding.arm)
    return [str(replace(finding, arm=", ".join(names))) for finding, names in arms.items()]


def to_csv(result: Result) -> str:
    """The rows with full precision; empty fields where there is nothing to say."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    columns = [*_latency(result.run.plan), *_cost(result.run.plan)]
    writer.writerow(["arm", *(column.key for column in columns), "void", "budget"])
    for row in [*result.summary.rows, result.summary.floor]:
        values = (_value(column, row) for column in columns)
        writer.writerow([row.name, *values, str(row.void).lower(), row.budget])
    return stream.getvalue()


def to_markdown(result: Result) -> str:
    """Markdown tables, verdicts and notes as lists."""
    lines = [f"**{headline(result)}**", ""]
    for table in result.summary.tables:
        if len(result.summary.tables) > 1:
            lines += [f"With {table.budget}:", ""]
        for titles, cells in _grids(result, table):
            rule = [":--", *["--:"] * (len(titles) - 1)]
            lines += [*(f"| {' | '.join(line)} |" for line in (titles, rule, *cells)), ""]
        lines += [*(f"- {line}" for line in verdict.lines(table.verdicts, table.groups)), ""]
    return "\n".join([*lines, *(f"- {note}" for note in notes_below(result)), ""])
