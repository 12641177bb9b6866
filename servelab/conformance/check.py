"""What a check is, what it comes to, and the report of a whole run."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from servelab.conformance.subject import Subject

Outcome = Literal["pass", "fail", "deviation", "skip"]
OUTCOMES: tuple[Outcome, ...] = ("pass", "deviation", "skip", "fail")


class CheckFailed(Exception):
    """A server does otherwise than it must: what was sent, what came back, what was expected."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that every server must do. ``run`` raises CheckFailed (or anything else) when it does otherwise.

    ``skip`` says why the check does not apply, if it does not; ``workers`` asks for a boot of its own with so many;
    ``ends_server``: the server does not live afterwards.
    """

    name: str
    run: Callable[["Subject"], None]
    skip: str = ""
    workers: int | None = None
    ends_server: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What one check came to; the message is empty for a pass."""

    check: str
    outcome: Outcome
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a run of the kit found, in the order of the checks."""

    strategy: str
    model: str
    workers: int
    image: bool
    results: tuple[Result, ...]

    @property
    def ok(self) -> bool:
        """Whether at least one check passed and none failed (a declared deviation is no failure)."""
        outcomes = {result.outcome for result in self.results}
        return "pass" in outcomes and "fail" not in outcomes

    @property
    def seconds(self) -> float:
        """How long the checks took together."""
        return sum(result.seconds for result in self.results)

    def render(self) -> str:
        """The report as text, see main_table."""
        return main_table(self)


def main_table(report: Report) -> str:
    """The report as text: a line per check, the message below it, skips gathered by reason, a summary last."""
    width = max((len(result.check) for result in report.results), default=0)
    lines: list[str] = []
    skipped: dict[str, list[str]] = {}
    for result in report.results:
        if result.outcome == "skip":
            skipped.setdefault(result.message, []).append(result.check)
            continue
        lines.append(f"{result.outcome:<9}  {result.check:<{width}}  {result.seconds:6.2f} s")
        lines += [f"           {line}" for line in result.message.splitlines()]
    for why, names in skipped.items():
        lines.append(f"skip       {why}: {', '.join(names)}")
    counts = Counter(result.outcome for result in report.results)
    numbers = ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES)
    how = f"{report.workers} worker{'s' if report.workers > 1 else ''}{', image' if report.image else ''}"
    lines.append(f"{report.strategy} serving {report.model} ({how}): {numbers} in {report.seconds:.1f} s")
    return "\n".join(lines)
