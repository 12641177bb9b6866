"""The `bench` command."""

import argparse
from pathlib import Path

from rich.console import Console

from bench import agreement, compare, explain, options, planning, probe, results, runner, summary, table
from bench.errors import BenchError
from bench.progress import Progress
from bench.report import command as report
from bench.results import Run
from bench.selftest import command as selftest
from bench.table import Result
from bench.verdict import ByFigure, Verdict
from servelab import command

VOID = 1
"""The exit status of a run with a void row: something was measured, and it must not be used."""


TURN_SECONDS = 0.8  # around each turn: the engine's start, its lead-in, the last answers
BOOT_SECONDS = 6.0  # of a small server: start, checks, warm-up, stop
PILOT_SECONDS = 8.0  # once for each arm: the ceiling, and whether answers are cached


def main() -> None:
    """Run one command."""
    arguments = _parser().parse_args()
    command.run("bench", lambda: int(arguments.run(arguments)))


def _run(arguments: argparse.Namespace) -> int:
    with Progress() as progress:
        run = runner.run(options.plan_of(arguments), progress, arguments.results)
    return _finish(run, arguments)


def _resume(arguments: argparse.Namespace) -> int:
    with Progress() as progress:
        run = runner.resume(arguments.folder, progress)
    return _finish(run, arguments)


def _finish(run: Run, arguments: argparse.Namespace) -> int:
    result = Result.of(run)
    results.write_whole(run.folder / "run.json", results.dumps(result.to_dict()) + "\n")
    return _print(result, arguments)


def _show(arguments: argparse.Namespace) -> int:
    return _print(Result.of(Run.load(arguments.folder)), arguments)


def _print(result: Result, arguments: argparse.Namespace) -> int:
    arguments.form(result)
    return VOID if any(row.void for row in result.summary.rows) else 0


def _show_table(result: Result) -> None:
    table.show(result, Console(highlight=False))


def _show_json(result: Result) -> None:
    print(results.dumps(result.to_dict()))


def _show_csv(result: Result) -> None:
    print(table.to_csv(result), end="")


def _show_markdown(result: Result) -> None:
    print(table.to_markdown(result), end="")


def _compare(arguments: argparse.Namespace) -> int:
    """Returns 1 when a bound is broken."""
    old, new = Run.load(arguments.old), Run.load(arguments.new)
    if different := compare.unlike(old.key, new.key):
        raise BenchError(
            f"these runs cannot be compared: {'; '.join(different)}. "
            f"Repeat the old one here: bench run --like {arguments.old}"
        )
    (before, gone), (now, lost) = _valid(old, "old"), _valid(new, "new")
    found = compare.changes(before, now)
    unheld = [*gone, *lost, *compare.missing(before, now)]
    if not found:
        raise BenchError(f"expected two runs that share a valid arm; {'; '.join(unheld)}")
    broken = compare.regressions(found, arguments.fail_if)
    if arguments.fail_if:  # an arm that is gone keeps no bound
        broken += unheld
    agreed = agreement.lines(_verdicts(old), _verdicts(new))
    print("\n".join([*_changed(old, new), *unheld, *compare.lines(found, broken), *agreed]))
    return int(bool(broken))


def _valid(run: Run, which: str) -> tuple[dict[str, ByFigure], list[str]]:
    """The figures of the arms whose rows are valid, and a line for each that is void."""
    void = {row.name for row in summary.summarise(run).rows if row.void}
    figures = summary.by_arm(run)
    valid: dict[str, ByFigure] = {arm: figures[arm] for arm in figures if arm not in void}
    return valid, [f"{arm} is VOID in the {which} run" for arm in figures if arm in void]


def _verdicts(run: Run) -> list[Verdict]:
    return [each for table in summary.summarise(run).tables for each in table.verdicts]


def _changed(old: Run, new: Run) -> list[str]:
    """What differs between the two runs and may explain a change."""
    names = ("revision", "locks", "sources", "libraries")
    one, other = ({name: run.environment.get(name) for name in names} for run in (old, new))
    return [f"changed: {each}" for each in compare.unlike(one, other)]


def _plan(arguments: argparse.Namespace) -> int:
    spreads = planning.DEFAULTS
    seconds, arms = arguments.seconds, arguments.arms
    if arguments.like:
        run = Run.load(arguments.like)
        spreads = planning.spreads(summary.by_arm(run))
        if not spreads:
            raise BenchError(
                f"expected a run of two arms and two boots or more; {arguments.like} has no spread to tell"
            )
        seconds, arms = seconds or run.plan.seconds, arms or len(run.names)
    turn = (seconds or options.DEFAULTS.seconds) + TURN_SECONDS
    try:
        designs = planning.plan(
            arguments.effect,
            arms or 2,
            spreads,
            seconds=turn,
            boot_seconds=BOOT_SECONDS,
            pilot_seconds=PILOT_SECONDS,
            sesoi=arguments.sesoi,
        )
    except ValueError as error:
        raise BenchError(str(error)) from None
    print("\n".join(planning.lines(designs, arguments.effect, arms or 2)))
    if not arguments.like:
        print("The spreads are typical ones of a shared machine; --like FOLDER takes those of a run of yours")
    return 0


def _explain(arguments: argparse.Namespace) -> int:
    print(explain.page(arguments.code))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description="Measure serving strategies against each other.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="compare strategies that serve the same model",
        description="Start each arm several times, check that its answers are right, then time them in turns.",
    )
    run.set_defaults(run=_run)
    options.add(run)
    resume = commands.add_parser("resume", help="make the rounds that an interrupted run lacks")
    resume.set_defaults(run=_resume)
    show = commands.add_parser("show", help="print the result of a run again, complete or not")
    show.set_defaults(run=_show)
    for each in (resume, show):
        each.add_argument("folder", type=Path, metavar="FOLDER", help="of the run, below results/")
    for each in (run, resume, show):
        _add_forms(each)
    _add_compare(commands.add_parser("compare", help="has a new run become slower than an old one?"))
    _add_plan(commands.add_parser("plan", help="how many boots and minutes does an effect take?"))
    text = commands.add_parser("explain", help="what a finding means, why it matters, and what to do")
    text.set_defaults(run=_explain)
    text.add_argument("code", metavar="CODE", help="as it stands in the finding, such as GENERATOR_LATE")
    report.add(commands.add_parser("report", help="the figures per model and strategy, to choose by"))
    probe.add(commands.add_parser("probe", help="service times and errors of a server that already runs"))
    selftest.add(commands.add_parser("selftest", help="does the bench find what it must, and nothing else?"))
    return parser


def _add_forms(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(form=_show_table)
    forms = parser.add_mutually_exclusive_group()
    for form, show in {"json": _show_json, "csv": _show_csv, "markdown": _show_markdown}.items():
        forms.add_argument(f"--{form}", dest="form", action="store_const", const=show, help=f"print {form} instead")


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_compare)
    for name in ("old", "new"):
        parser.add_argument(name, type=Path, metavar=name.upper(), help=f"the folder of the {name} run")
    parser.add_argument("--fail-if", type=_bound, action="append", default=[], metavar="BOUND",
                        help="such as 'p50>+10%%' or 'achieved<-2%%': exit 1 where an arm is beyond it")  # fmt: skip


def _bound(text: str) -> compare.Bound:
    try:
        return compare.Bound.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _add_plan(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_plan)
    parser.add_argument("--effect", type=options.share, required=True, metavar="E", help="to be found, such as 10%%")
    parser.add_argument("--arms", type=options.count, metavar="N", help="compared with each other (default: 2)")
    parser.add_argument("--seconds", type=options.amount, metavar="S", help="length of a turn")
    parser.add_argument("--sesoi", type=options.share, default=options.DEFAULTS.sesoi, metavar="E",
                        help="the smallest effect of interest (default: 5%%)")  # fmt: skip
    parser.add_argument("--like", type=Path, metavar="FOLDER", help="a run whose own spread is taken")
