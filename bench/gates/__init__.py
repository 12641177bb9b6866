"""Checks on what was measured. A finding is a value: a code, the figure, the bound it broke, and what to do.

Some void the row: where the generator, the server or the machine was not what the figures say, their speed means
nothing. All are judged over the rounds, so that one hiccup of a shared machine trips none. `bench explain CODE` says
more about each.
"""

from collections.abc import Mapping

from bench.gates import advisory, neighbourhood, validity
from bench.gates.finding import Evidence, Finding
from bench.gates.neighbourhood import neighbours, noisy, unequal

CODES: tuple[str, ...] = (*validity.GATES, *advisory.GATES, *neighbourhood.CODES)

__all__ = ["CODES", "Evidence", "Finding", "inspect", "neighbours", "noisy", "unequal"]


def inspect(evidence: Mapping[str, Evidence]) -> list[Finding]:
    """All findings about each arm by itself."""
    return [
        Finding(code, arm, *broken, voids=code in validity.GATES)
        for arm, known in evidence.items()
        for code, gate in {**validity.GATES, **advisory.GATES}.items()
        if known.rounds and (broken := gate(known))
    ]
