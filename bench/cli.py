"""The `bench` command."""

import argparse
import math
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

import shared_models
from bench import results, runner, table
from bench.progress import Progress
from bench.results import Plan, Result
from servelab import command, strategy as strategies


def main() -> None:
    """Run one command."""
    arguments = _parser().parse_args()
    command.run("bench", lambda: int(arguments.run(arguments)))


def _run(arguments: argparse.Namespace) -> int:
    """Returns 1 when a row is void: something was measured, and it must not be used."""
    arguments.arms = arguments.arms or _all_arms(arguments.model)
    plan = Plan(**{name: getattr(arguments, name) for name in Plan.__dataclass_fields__})
    with Progress() as progress:
        result = runner.run(plan, progress, arguments.results)
    arguments.show(result)
    return int(any(row.void for row in result.summary.rows))


def _all_arms(model: str) -> list[str]:
    """Every active strategy that runs in an environment of its own and serves the model (or takes a brought one)."""
    brought = model not in shared_models.available()
    found = strategies.discover().values()
    return [s.name for s in found if s.status == "active" and s.tier == 0 and (brought or model in s.models)]


def _show_table(result: Result) -> None:
    table.show(result, Console(highlight=False))


def _show_json(result: Result) -> None:
    print(results.dumps(result.to_dict()))


def _show_csv(result: Result) -> None:
    print(table.to_csv(result), end="")


def _show_markdown(result: Result) -> None:
    print(table.to_markdown(result), end="")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description="Measure serving strategies against each other.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="compare strategies that serve the same model",
        description="Start each arm, check that its answers are right, then time all of them in alternating rounds.",
    )
    run.set_defaults(run=_run, show=_show_table)
    run.add_argument("arms", nargs="*", metavar="ARM", help="a strategy (flask), its plain program (flask:quickstart)"
                     " or a strategy's folder; ratios are against the first (default: all active ones)")  # fmt: skip
    for name, kind, text in _OPTIONS:
        default = getattr(_DEFAULTS, name)
        shown = "" if default is None else f" (default: {default})"
        run.add_argument(f"--{name}", type=kind, default=default, metavar=name[0].upper(), help=text + shown)
    run.add_argument("--results", type=Path, default=results.ROOT, metavar="FOLDER",
                     help="where runs are saved (default: results/ in the repository)")  # fmt: skip
    forms = run.add_mutually_exclusive_group()
    for form, show in {"json": _show_json, "csv": _show_csv, "markdown": _show_markdown}.items():
        forms.add_argument(f"--{form}", dest="show", action="store_const", const=show, help=f"print {form} instead")
    return parser


def _number(kind: type[int] | type[float], least: float, expected: str) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            number = kind(text)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number >= least):
            raise argparse.ArgumentTypeError(f"expected {expected}, found {text}")
        return number

    return parse


_count = _number(int, 1, "a whole number from 1 on")
_seed = _number(int, 0, "a whole number from 0 on")
_amount = _number(float, math.ulp(0), "a number above 0")
_DEFAULTS = Plan(arms=())
_OPTIONS: tuple[tuple[str, Callable[[str], object], str], ...] = (
    ("model", str, "a model's name, or the folder of your own"),
    ("version", str, "of the model; its default otherwise"),
    ("pairs", _count, f"rounds, in each of which every arm has a turn; fewer than {results.SCREENING} are a screening"),
    ("seconds", _amount, "length of a turn"),
    ("rate", _amount, "requests/s, the same for all arms; otherwise 40 %% of the slowest arm's capacity"),
    ("workers", _count, "server processes per arm; more than one leaves the CPUs to the system"),
    ("batch", _count, "predictions in a request"),
    ("seed", _seed, "of the schedules"),
    ("connections", _count, "that the engine may open"),
)
