"""An advice for people, and for programs."""

import math
import textwrap
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from servelab.choose import rules
from servelab.choose.advice import Advice, Recommended
from servelab.choose.questions import QUESTIONS, typed
from servelab.choose.words import number

WIDTH = 100


def text(advice: Advice, width: int = WIDTH) -> str:
    """For a terminal of so many columns."""
    return "\n".join(_wrapped(line, width) for line in _lines(advice))


def _wrapped(line: str, width: int) -> str:
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _lines(advice: Advice) -> Iterable[str]:
    idle = advice.answers.idle
    yield "Your answers: " + ", ".join(said for name, said in answers_of(advice).items() if name not in idle)
    if unused := [said for name, said in answers_of(advice).items() if name in idle & advice.answers.given.keys()]:
        yield f"Without effect beside these: {', '.join(unused)}"
    yield ""
    if advice.recommended:
        yield "Recommended, the first one first:"
    else:
        yield "Nothing here fits all of your answers."
    for rank, (each, reasons) in enumerate(new_reasons(advice), 1):
        yield f"  {rank}. {each.name} ({each.case.strategy.title}): {figures_of(each)}"
        yield from (f"       {reason}" for reason in reasons)
    for name, answer in advice.nearest.items():
        yield f"  {name} would fit with another answer to: {answer}, such as --{answer} {typed(rules.LOOSEST[answer])}"
    yield from _section("Ruled out:", ruled_out(advice))
    yield from _section("The way:", [f"{place}. {step}" for place, step in enumerate(advice.path, 1)])
    yield from _section("Not here yet:", advice.missing)
    yield from _section("What the numbers cannot say:", advice.limits)
    if advice.run:
        yield ""
        boots = f"{advice.run.boots} boot{'s' * (advice.run.boots > 1)}"
        yield f"Figures: {advice.run.folder}, {advice.run.scenario}, {boots}"


def _section(title: str, lines: Iterable[str]) -> list[str]:
    found = [f"  {line}" for line in lines]
    return ["", title, *found] if found else []


def new_reasons(advice: Advice) -> Iterable[tuple[Recommended, list[str]]]:
    """Who is recommended, with its own reasons, and those shared ones that nobody before had."""
    told: set[str] = set()
    for each in advice.recommended:
        yield each, [reason for reason in each.shared if reason not in told] + list(each.own)
        told.update(each.shared)


def ruled_out(advice: Advice) -> list[str]:
    """A line for all that are ruled out for the same reasons."""
    names: dict[str, list[str]] = {}
    for name, reasons in advice.ruled_out.items():
        names.setdefault("; ".join(f"{answer}: {why}" for answer, why in reasons.items()), []).append(name)
    return [f"{', '.join(those)}, by {why}" for why, those in names.items()]


def answers_of(advice: Advice) -> dict[str, str]:
    """Every answer, as `name value`, by its name."""
    return {each.name: f"{each.name} {typed(getattr(advice.answers, each.name))}" for each in QUESTIONS}


def figures_of(each: Recommended) -> str:
    """The measured figures in one line, with what was scaled from them."""
    arm, run, scaled = each.case.measured, each.case.run, each.scaled
    if arm is None or run is None:
        return "not measured"
    parts = [
        f"CPU {number(arm.cpu_us)} µs",
        f"p50 {number(arm.p50_ms)} ms and p99 {number(arm.p99_ms)} ms at {number(run.rate)}/s",
        f"capacity {number(arm.capacity_per_s)}/s",
        f"RSS {number(arm.rss_mb)} MB",
        f"ready in {number(arm.ready_s)} s",
    ]
    if arm.errors:
        parts.append(f"{arm.errors:,} of {arm.requests:,} requests failed")
    if scaled:
        parts.append(f"for you {scaled.copies} {'copies' if scaled.copies > 1 else 'copy'}")
        if scaled.per_million is not None:
            parts.append(f"{scaled.per_million:.3g} per million predictions")
    return ", ".join(parts)


def to_dict(advice: Advice) -> dict[str, Any]:
    """Everything, for JSON; bench's word for an infinite time is "inf"."""
    run = advice.run
    return {
        "answers": asdict(advice.answers),
        "recommended": [_recommended(each) for each in advice.recommended],
        "ruled_out": advice.ruled_out,
        "nearest": advice.nearest,
        "path": advice.path,
        "missing": advice.missing,
        "limits": advice.limits,
        "figures": None if run is None else {"folder": run.folder, "rate": run.rate, "machine": asdict(run.machine)},
    }


def _recommended(each: Recommended) -> dict[str, Any]:
    arm, scaled = each.case.measured, each.scaled
    return {
        "strategy": each.name,
        "title": each.case.strategy.title,
        "family": each.case.strategy.family,
        "reasons": each.reasons,
        "measured": None if arm is None else {key: _strict(value) for key, value in asdict(arm).items()},
        "scaled": None if scaled is None else asdict(scaled),
    }


def _strict(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
