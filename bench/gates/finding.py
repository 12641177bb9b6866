"""What gates look at and what they say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.audit import CacheAudit
from bench.figures import Figures
from bench.stationarity import WarmUp


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was seen of an arm."""

    rounds: Sequence[Figures]
    warm_ups: Sequence[WarmUp] = field(default=())  # one per boot
    cached: CacheAudit | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about an arm that a reader of its row must know."""

    code: str
    arm: str
    figure: str
    bound: str
    advice: str
    voids: bool = False

    def __str__(self) -> str:
        kind = "VOID" if self.voids else "warning"
        return f"{kind} {self.code}: {self.arm}: {self.figure} (bound: {self.bound}). {self.advice}"


Broken = tuple[str, str, str]
"""The figure, the bound, and what to do."""

Gate = Callable[[Evidence], Broken | None]
