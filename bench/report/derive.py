"""Figures from runs, in the form that `servelab choose` reads. Pure."""

from collections.abc import Sequence
from pathlib import Path

from bench import table
from bench.errors import BenchError
from bench.results import Run
from bench.summary import Row, summarise
from servelab.choose.figures import Arm, Figures, Machine, Measured

DIGITS = 4  # significant ones: more would say more than was measured


def figures(runs: Sequence[Run]) -> Figures:
    """The figures of runs, one for each model. Raises BenchError when two are of one model: their rates differ."""
    measured = [of(run) for run in runs]
    by_model: dict[str, Measured] = {}
    for each in measured:
        if (other := by_model.setdefault(each.model, each)) is not each:
            raise BenchError(
                f"expected one run of each model, as figures of two runs do not compare; found two of {each.model}: "
                f"{other.folder} and {each.folder}. Name one of them"
            )
    return Figures(1, tuple(sorted(measured, key=lambda each: each.model)))


def of(run: Run) -> Measured:
    """A run's figures. Raises BenchError for a run that has none that a reader could choose by."""
    try:
        return _of(run)
    except (KeyError, TypeError, ValueError) as error:
        raise BenchError(
            f"{run.folder}: expected the journal as bench run wrote it; found another ({error!r}). Bring it back, or "
            "make the run again"
        ) from None


def _of(run: Run) -> Measured:
    plan, summary, environment = run.plan, summarise(run), run.environment
    if run.rate is None or plan.concurrency is not None or plan.batch != 1:
        raise BenchError(
            f"{run.folder}: expected an open loop of single predictions, whose response times hold at a rate; found "
            f"{table.scenario(run)}, {plan.batch} a request. Leave --concurrency and --batch out of bench run"
        )
    return Measured(
        folder=shown(run.folder),
        model=environment["model"]["name"],
        version=run.version,
        rate=rounded(run.rate) or 0.0,
        scenario=table.scenario(run),
        workers=plan.workers,
        boots=plan.boots,
        rounds=plan.rounds,
        seconds=plan.seconds,
        screening=run.screening,
        complete=not run.missing(),
        revision=environment["revision"] or "",
        machine=Machine(**{name: environment[name] for name in ("cpu", "cores", "memory_mb", "system", "python")}),
        floor_cpu_us=rounded(summary.floor.cpu_us) or 0.0,
        floor_p50_ms=rounded(summary.floor.response["p50"]) or 0.0,
        arms=tuple(_arm(row, run, [f.code for f in summary.findings if f.arm == row.name]) for row in summary.rows),
    )


def _arm(row: Row, run: Run, findings: Sequence[str]) -> Arm:
    budgets = [boot.budget for boot in run.boots if boot.arm == row.name]
    workers, cpus = max(each.workers for each in budgets), max(each.cpus for each in budgets)
    response = {f"{name}_ms": row.response.get(name) for name in ("p50", "p90", "p95", "p99")}
    other = {"cpu_us": row.cpu_us, "capacity_per_s": row.capacity, "rss_mb": row.rss_mb, "ready_s": row.ready_s}
    return Arm(
        name=row.name,
        void=row.void,
        findings=tuple(dict.fromkeys(findings)),
        budget=row.budget,
        processes=workers,
        cores=min(workers, cpus),
        errors=sum(row.errors.values()),
        requests=sum(each.arms[row.name].requests for each in run.kept),
        **{name: None if row.void else rounded(value) for name, value in (response | other).items()},
    )


def rounded(value: float | None) -> float | None:
    """So many significant digits as are worth something."""
    return None if value is None else float(f"{value:.{DIGITS}g}")


def shown(folder: Path) -> str:
    """A folder as it is named from the repository's root, where it lies below that."""
    return str(table.shown(folder.resolve()))
