"""What a check is, what it comes to, and the report of a whole run."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from servelab.conformance.subject import Subject

Outcome = Literal["pass", "fail", "deviation", "skip"]
OUTCOMES: tuple[Outcome, ...] = ("pass", "deviation", "skip", "fail")


WIDTH = 36  # of the longest name of a check
MANY = 10  # skipped checks that are counted and no longer named


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
    logs: tuple[Path, ...] = ()  # of the servers that were started

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
        """The report as text: a line per check, the message below it, and the summary."""
        return "\n".join([*(line(result) for result in self.results if result.outcome != "skip"), self.summary()])

    def summary(self) -> str:
        """What was skipped and why, the logs to read after a failure, and the counts."""
        skipped: dict[str, list[str]] = {}
        for result in self.results:
            if result.outcome == "skip":
                skipped.setdefault(result.message, []).append(result.check)
        lines = [
            f"skip       {why}: {', '.join(names) if len(names) < MANY else f'{len(names)} checks'}"
            for why, names in skipped.items()
        ]
        if not self.ok:
            lines += [f"log        {log}" for log in self.logs]
        counts = Counter(result.outcome for result in self.results)
        numbers = ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES)
        how = f"{self.workers} worker{'s' if self.workers > 1 else ''}{', image' if self.image else ''}"
        return "\n".join([*lines, f"{self.strategy} serving {self.model} ({how}): {numbers} in {self.seconds:.1f} s"])


def line(result: Result) -> str:
    """A result as text; its message below it."""
    head = f"{result.outcome:<9}  {result.check:<{WIDTH}}  {result.seconds:6.2f} s"
    return "\n".join([head, *(f"           {text}" for text in result.message.splitlines())])
