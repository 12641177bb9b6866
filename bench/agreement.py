"""Do two runs of the same arms say the same of them? Their verdicts side by side. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.verdict import Verdict, interval_text, opposite, ratio_text


@dataclass(frozen=True, slots=True)
class Repeat:
    """What two runs say of the same pair of arms in the same figure, in the same direction."""

    before: Verdict
    now: Verdict

    def __str__(self) -> str:
        found = [each.comparison for each in (self.before, self.now)]
        texts = [f"{ratio_text(c.ratio)} {interval_text(c.low, c.high)}" for c in found]
        return (
            f"{self.before.figure}: {self.before.arm} of {self.before.base} {texts[0]} before, {texts[1]} now: "
            f"intervals {'overlap' if self.overlaps else 'apart'}, {self._words}"
        )

    @property
    def overlaps(self) -> bool:
        """Whether some ratio is in both intervals."""
        one, other = self.before.comparison, self.now.comparison
        return max(one.low, other.low) <= min(one.high, other.high)

    @property
    def contradicts(self) -> bool:
        """Whether each run calls the other arm the larger one."""
        return opposite(self.before, self.now)

    @property
    def _words(self) -> str:
        if self.contradicts:
            return "OPPOSITE VERDICTS"
        agree = self.before.word == self.now.word
        return "verdicts agree" if agree else f"{self.before.word} before, {self.now.word} now"


def repeats(old: Sequence[Verdict], new: Sequence[Verdict]) -> list[Repeat]:
    """The verdicts of two runs on each figure and pair that both have, whichever arm is the base, in the old order."""
    now = {(each.figure, each.arm, each.base): each for one in new for each in (one, one.inverted())}
    found = ((each, now.get((each.figure, each.arm, each.base))) for each in old)
    return [Repeat(before, same) for before, same in found if same]


def lines(old: Sequence[Verdict], new: Sequence[Verdict]) -> list[str]:
    """How far two runs agree on their arms: a line for each figure and pair, and a last one of all; empty without any.

    Two runs of the same back to back should have no opposite verdict, and most of their intervals should overlap.
    """
    found = repeats(old, new)
    against, overlapping = sum(each.contradicts for each in found), sum(each.overlaps for each in found)
    total = (
        f"{len(found)} pair{'s' * (len(found) > 1)}: {against or 'no'} opposite verdict{'s' * (against > 1)}, "
        f"{overlapping} of {len(found)} intervals overlap"
    )
    return [*map(str, found), total] if found else []
