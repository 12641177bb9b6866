"""What is no arm's own: other programs on the machine, and what the arms were given to work with.

A round counts or not for all arms together, and its figures have no say in it: who drops rounds that look odd finds
what he expects.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from bench.bottleneck import FOREIGN, STEAL
from bench.figures import Figures
from bench.gates.finding import Finding

PRESSURE: Final = 0.25  # of the time something waited for a CPU, while
SOME_FOREIGN: Final = 0.05  # others used this share: without them it is the server's own threads that wait
INDICATIVE: Final = 0.4  # of the rounds were dropped

CODES: Final = ("NOISY_NEIGHBOUR", "UNEQUAL_BUDGET")


def noisy(turns: Iterable[Figures]) -> str:
    """Why a round of these turns does not count, by its surroundings alone; empty where it does."""
    return next((reason for turn in turns if (reason := _reason(turn))), "")


def _reason(turn: Figures) -> str:
    if turn.foreign > FOREIGN:
        return f"other programs used {turn.foreign:.0%} of the machine's CPU time (bound: {FOREIGN:.0%})"
    if turn.steal > STEAL:
        return f"the hypervisor kept {turn.steal:.1%} of the machine's CPU time (bound: {STEAL:.0%})"
    if turn.pressure > PRESSURE and turn.foreign > SOME_FOREIGN:
        return (
            f"processes waited for a CPU {turn.pressure:.0%} of the time (bound: {PRESSURE:.0%}) "
            f"while other programs used {turn.foreign:.0%}"
        )
    return ""


def neighbours(arms: Iterable[str], kept: int, dropped: int) -> list[Finding]:
    """What it means for every arm that of all rounds so many were kept, and so many dropped as noisy."""
    made = kept + dropped
    if not dropped or (kept and dropped <= INDICATIVE * made):
        return []
    advice = "Stop other programs, or move to a quiet machine, and run again."
    if not kept:
        figure = f"a neighbour disturbed all {made} rounds"
        return [Finding("NOISY_NEIGHBOUR", arm, figure, "one quiet round", advice, voids=True) for arm in arms]
    figure = f"a neighbour disturbed {dropped} of {made} rounds, which do not count"
    return [Finding("INDICATIVE", arm, figure, f"{INDICATIVE:.0%} of the rounds", advice) for arm in arms]


def unequal(groups: Sequence[tuple[str, Sequence[str]]]) -> list[Finding]:
    """That arms do not share a table, from budget.groups."""
    if len(groups) < 2:
        return []
    advice = "Rows of different tables do not compare: give every arm the same, or compare within a table."
    others = f"one for all, found {'; '.join(words for words, _ in groups)}"
    return [Finding("UNEQUAL_BUDGET", arm, words, others, advice) for words, arms in groups for arm in arms]
