"""The check of lesson 10: a claim says what its run says, and no more."""

import math
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import budget, summary
from bench.errors import BenchError
from bench.results import Run
from bench.summary import Summary
from bench.verdict import Verdict, interval_text, ratio_text
from notebooks.course.check import Failure, Unfinished, Work
from servelab.paths import ROOT

KEYS = ("run", "figure", "faster", "slower", "times", "low", "high", "word", "screening", "hundred")
NAMES = ("run", "figure", "faster", "slower")
ROUNDING = 0.02  # as a share: two decimals of a ratio near 1, and whole numbers of one near 100
SEED = ("flask", "bentoml")  # the two that the claim of seed 001 is about
HUNDRED = 100.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """A claim, and the run that it stands on."""

    claim: dict[str, Any]
    run: Run
    summary: Summary

    @classmethod
    def of(cls, work: Work) -> "Evidence":
        """Raises Unfinished where there is nothing to compare the claim with."""
        try:
            claim = tomllib.loads((work.folder / "claim.toml").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise Unfinished(f"claim.toml cannot be read: {error}", "claim.toml") from None
        if missing := [key for key in (*KEYS, "given") if key not in claim]:
            raise Unfinished(f"expected the keys {', '.join(KEYS)}; found no {', '.join(missing)}", "claim.toml")
        for key in NAMES:
            if not isinstance(claim[key], str):
                raise Unfinished(f'expected {key} = "a name, in quotes"; found {claim[key]!r}', f"claim.toml: {key}")
        try:
            run = Run.load(ROOT / Path(claim["run"]))
            return cls(claim, run, summary.summarise(run))
        except BenchError as error:
            raise Unfinished(str(error), "claim.toml: run, a path from the repository's root") from None

    def verdict(self, faster: str, slower: str) -> Verdict:
        """slower / faster in the claim's figure. Raises Unfinished where the run gives no such verdict."""
        for table in self.summary.tables:
            for each in table.verdicts:
                if each.figure == self.claim["figure"] and {each.arm, each.base} == {faster, slower}:
                    return each if each.base == faster else each.inverted()
        known = sorted({each.figure for table in self.summary.tables for each in table.verdicts})
        raise Unfinished(
            f"expected two arms of one table and a figure that both have: {', '.join(known) or 'none'} of "
            f"{', '.join(self.run.names)}; found {self.claim['figure']} of {faster} and {slower}",
            "claim.toml: figure, faster, slower. A VOID row gets no verdict",
        )

    @classmethod
    def again(cls, work: Work) -> "Evidence":
        """For the checks after the first, which has told what is wrong."""
        try:
            evidence = cls.of(work)
            _ = evidence.pair
        except Unfinished:
            raise Unfinished("not asked yet: there is no such pair of arms in a run", "the first check") from None
        return evidence

    @property
    def pair(self) -> Verdict:
        return self.verdict(self.claim["faster"], self.claim["slower"])


def check_run(work: Work) -> Iterator[Failure]:
    """the run is whole, and the rows of both arms are valid"""
    evidence = Evidence.of(work)
    if evidence.run.missing():
        yield Failure("expected a complete run; found missing rounds", f"bench resume {evidence.run.folder}")
    for row in evidence.summary.rows:
        if row.void and row.name in (evidence.claim["faster"], evidence.claim["slower"]):
            yield Failure(f"expected a valid row; {row.name} is VOID", f"bench show {evidence.run.folder}")
    _ = evidence.pair


def check_direction(work: Work) -> Iterator[Failure]:
    """the faster arm is the faster one"""
    evidence = Evidence.again(work)
    if (ratio := evidence.pair.comparison.ratio) < 1:
        claim = evidence.claim
        yield Failure(
            f"expected the faster arm of {claim['faster']} and {claim['slower']}; found that {claim['slower']} takes "
            f"{ratio_text(ratio)} of the {claim['figure']} of {claim['faster']}",
            "claim.toml: faster, slower. Less is faster, in each of these figures",
        )


def check_times(work: Work) -> Iterator[Failure]:
    """times, low and high are those of the run"""
    evidence = Evidence.again(work)
    pair = evidence.pair if evidence.pair.comparison.ratio >= 1 else evidence.pair.inverted()
    found = pair.comparison
    for key, value in (("times", found.ratio), ("low", found.low), ("high", found.high)):
        said = evidence.claim[key]
        if not _says(said, value):
            yield Failure(
                f"expected {key} to be a number, and what the run says of {evidence.claim['figure']}, {pair.arm} by "
                f"{pair.base}; found {said!r}",
                f"bench show {evidence.claim['run']}: the line of that figure. Turned around, a ratio is 1 / ratio",
            )


def _says(said: object, value: float) -> bool:
    """Whether that is the run's number, rounded; an interval without an end (inf) cannot be rounded."""
    if isinstance(said, bool) or not isinstance(said, int | float):
        return False
    return said == value or (math.isfinite(value) and abs(said - value) <= ROUNDING * value)


def check_word(work: Work) -> Iterator[Failure]:
    """it says no more than the verdict: its word, and whether this is a screening"""
    evidence = Evidence.again(work)
    found = evidence.pair
    for key, value in (("word", found.word), ("screening", found.comparison.screening)):
        if (said := evidence.claim[key]) != value:
            yield Failure(f"{key} = {said!r} is not what the run says", "the end of the figure's line in bench show")


def check_given(work: Work) -> Iterator[Failure]:
    """it says which model, how many workers, and on which machine"""
    evidence = Evidence.again(work)
    arms = (evidence.pair.arm, evidence.pair.base)
    environment, given = evidence.run.environment, evidence.claim["given"]
    if not isinstance(given, dict):
        raise Unfinished(f"expected a table [given]; found {given!r}", "claim.toml")
    workers = {budget.over([boot.budget for boot in evidence.run.boots if boot.arm == arm]).workers for arm in arms}
    for key, value in {
        "model": environment["model"]["name"],
        "workers": max(workers),
        "cpu": environment["cpu"],
        "cores": environment["cores"],
    }.items():
        if (said := given.get(key)) != value:
            look = "the first line of bench show" if key == "model" else "the last lines of bench show"
            yield Failure(f"{key} = {said!r} is not what the run says", f"claim.toml: [given]; {look}")


def check_hundred(work: Work) -> Iterator[Failure]:
    """it does not repeat "a hundred times Flask" unless this data does"""
    evidence = Evidence.again(work)
    flask, bentoml = SEED
    found = evidence.verdict(bentoml, flask).comparison  # flask / bentoml: how many times BentoML is as fast
    holds = found.low > 1 and found.high >= HUNDRED
    if evidence.claim["hundred"] is not holds:
        yield Failure(
            f"expected hundred = {str(holds).lower()}: by {evidence.claim['figure']} BentoML is "
            f"{ratio_text(found.ratio)} times as fast as Flask, 95 %: {interval_text(found.low, found.high)}; "
            f"found {evidence.claim['hundred']}",
            "does the interval reach 100?",
        )
