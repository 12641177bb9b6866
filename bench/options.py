"""What `bench run` can be told, as command-line options, and the plan that comes of it."""

import argparse
import math
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import shared_models
from bench import results
from bench.errors import BenchError
from bench.planning import fewest_boots
from bench.results import Plan, Run
from bench.statistics import FEWEST_BOOTS
from servelab import strategy as strategies

QUICK = {"boots": 3, "rounds": 2, "seconds": 2.5, "keep_noisy": True}
"""A screening: a minute and a half, and hints instead of verdicts, on whatever machine there is."""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser every field of a plan, and the ways to fill many at once."""
    parser.add_argument("arms", nargs="*", metavar="ARM", help="a strategy (flask), its plain program"
                        " (flask:quickstart) or a strategy's folder (default: all active ones; with --quick the"
                        " web frameworks)")  # fmt: skip
    for name, kind, text in _OPTIONS:
        default = getattr(DEFAULTS, name)
        shown = (
            ""
            if default is None
            else f" (default: {default:g})"
            if isinstance(default, float)
            else f" (default: {default})"
        )
        parser.add_argument(f"--{name}", type=kind, metavar=name[0].upper(), help=text + shown)
    parser.add_argument("--no-raw", dest="raw", action="store_false", default=None,
                        help="do not keep the stamps of every request")  # fmt: skip
    parser.add_argument("--keep-noisy", action="store_true", default=None,
                        help="let rounds count that other programs disturbed")  # fmt: skip
    parser.add_argument("--together", action="store_true", default=None,
                        help="compare arms in one table although they were given unequal budgets")  # fmt: skip
    parser.add_argument("--quick", action="store_true",
                        help="a screening: --boots 3 --rounds 2 --seconds 2.5 --keep-noisy")  # fmt: skip
    parser.add_argument("--like", type=Path, metavar="FOLDER", help="everything as in that run, its rate too;"
                        " then bench compare can tell what has changed")  # fmt: skip
    parser.add_argument("--results", type=Path, default=results.ROOT, metavar="FOLDER",
                        help="where runs are saved (default: results/ in the repository)")  # fmt: skip


def plan_of(arguments: argparse.Namespace) -> Plan:
    """The plan: what was said, over what --quick or --like say, over the defaults. Raises BenchError."""
    plan = DEFAULTS
    if arguments.like:
        old = Run.load(arguments.like)
        plan = replace(old.plan, rate=old.rate)
    if arguments.quick:
        plan = replace(plan, **QUICK)  # type: ignore[arg-type]  # a table of fields, checked by its test
    if arguments.concurrency and (arguments.rate or arguments.arrivals):
        raise BenchError("--concurrency is a closed loop, whose clients wait: leave --rate and --arrivals out")
    said = {each.name: getattr(arguments, each.name) for each in fields(Plan) if each.name != "arms"}
    plan = replace(plan, **{name: value for name, value in said.items() if value is not None})
    arms = tuple(arguments.arms) or plan.arms or _all_arms(plan.model, quick=arguments.quick)
    plan = replace(
        plan, arms=tuple(map(_absolute, arms)), model=_absolute(plan.model), arrivals=_absolute(plan.arrivals)
    )
    if arguments.boots or arguments.quick or arguments.like:
        return plan
    return replace(plan, boots=max(plan.boots, fewest_boots(max(2, len(plan.arms)))))


def _absolute(text: str) -> str:
    """A path in it made absolute, with what stands before and after: a run may be resumed from elsewhere."""
    kind, colon, file = text.rpartition("trace:")
    if "/" not in file and not colon:
        return text
    path, variant, name = file.partition(":")
    return f"{kind}{colon}{Path(path).resolve()}{variant}{name}"


def _all_arms(model: str, *, quick: bool) -> tuple[str, ...]:
    """Every active strategy that runs in an environment of its own and serves the model (or takes a brought one).

    For a screening the web frameworks among them: they install and start within seconds.
    """
    brought = model not in shared_models.available()
    found = [s for s in strategies.discover().values() if s.status == "active" and s.tier == 0]
    families = {"web framework"} if quick else {s.family for s in found}
    return tuple(s.name for s in found if s.family in families and (brought or model in s.models))


def number(kind: type[int] | type[float], least: float, expected: str) -> Callable[[str], Any]:
    """A parser of finite numbers from `least` on."""

    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value >= least):
            raise argparse.ArgumentTypeError(f"expected {expected}, found {text}")
        return value

    return parse


def share(text: str) -> float:
    """`5%` or `0.05`."""
    expected = "a share such as 5% or 0.05"
    value = number(float, 0, expected)(text.removesuffix("%"))
    if not text.endswith("%") and value >= 1:
        raise argparse.ArgumentTypeError(f"expected {expected}, found {text}: is {text}% meant?")
    return float(value / 100 if text.endswith("%") else value)


count = number(int, 1, "a whole number from 1 on")
seed = number(int, 0, "a whole number from 0 on")
amount = number(float, math.ulp(0), "a finite number above 0")
DEFAULTS = Plan(arms=())
_OPTIONS: tuple[tuple[str, Callable[[str], object], str], ...] = (
    ("model", str, "a model's name, or the folder of your own"),
    ("version", str, "of the model; its default otherwise"),
    ("boots", count, f"starts of each arm, the unit of replication; fewer than {FEWEST_BOOTS} are a screening"),
    ("rounds", count, "per boot, in each of which every arm has a turn"),
    ("seconds", amount, "length of a turn"),
    ("arrivals", str, "poisson, constant, gamma:CV (bursts: CV above 1) or trace:FILE (send times, a line each)"),
    ("rate", amount, "requests/s, the same for all arms; otherwise 40 %% of the slowest arm's capacity"),
    ("concurrency", count, "a closed loop of so many clients instead of arrivals: each waits for its answer"),
    ("workers", count, "server processes per arm; as many as there are CPUs leave the engine none of its own"),
    ("batch", count, "predictions in a request"),
    ("seed", seed, "of schedules and orders"),
    ("connections", count, "that the engine may open"),
    ("sesoi", share, "the smallest effect of interest: a smaller one is never called a difference"),
    ("price", amount, "of a core-hour, for the cost of a million predictions"),
)
