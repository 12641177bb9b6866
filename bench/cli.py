"""The `bench` command."""

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

import shared_models
from bench import results, runner, table
from bench.errors import BenchError
from bench.progress import Progress
from bench.results import Plan, Result
from servelab import strategy as strategies
from servelab.errors import ServelabError
from servelab.server import raise_on_sigterm

USAGE_ERROR = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def main() -> None:
    """Run the command line; exits 2 with one clear message, 130 when interrupted."""
    arguments = _parser().parse_args()
    raise_on_sigterm()
    try:
        sys.exit(arguments.run(arguments))
    except (BenchError, ServelabError, shared_models.ModelError) as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(USAGE_ERROR)
    except KeyboardInterrupt:
        print("bench: interrupted; every server is stopped", file=sys.stderr)
        sys.exit(INTERRUPTED)


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


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, found {text}")
    return number


def _seed(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 on, found {text}")
    return number


def _amount(text: str) -> float:
    number = float(text)
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"expected a number above 0, found {text}")
    return number


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
