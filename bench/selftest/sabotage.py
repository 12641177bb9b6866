"""An honest run and its saboteurs: each is the honest one with one thing changed, and must trip one gate."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from bench import audit, gates, stationarity
from bench.audit import CacheAudit
from bench.gates import Evidence
from bench.load.ceiling import ceiling as ceiling_of
from bench.load.launch import ENGINE
from bench.load.records import Records
from bench.resources import placement
from bench.selftest import judge, saboteurs
from bench.selftest.judge import Control
from bench.selftest.lab import PLAIN, Faults
from bench.selftest.subject import Material, Subject, serving

RATE: Final = 300.0
ROUNDS: Final = 6  # enough to see a drift
SECONDS: Final = 0.5
WARM_UP_SECONDS: Final = 1.5
AUDIT_SECONDS: Final = 0.3
CEILING_SECONDS: Final = 1.0
SATURATING: Final = 8  # connections
HONEST: Final = Faults(model="mnist")
WAITING: Final = replace(HONEST, wait=0.05)  # keeps some 15 requests in flight, enough to count


@dataclass(frozen=True, slots=True)
class Case:
    """Who does what, and the gate that must say so."""

    name: str
    question: str
    own: str  # the code of its gate; empty for the honest one
    faults: Faults = HONEST
    engine: tuple[str, ...] = ENGINE
    audited: bool = False  # where the server may be at fault; it takes closed loops of its own

    def control(self, tick: Callable[[str], None], excused: Collection[str] = ()) -> Control:
        tick(f"saboteur: {self.name}" if self.own else "an honest run")
        found = gates.inspect({self.name: self.evidence()})
        voids = [finding.code for finding in found if finding.voids]
        return judge.gates(self.name, self.question, self.own, voids, excused)

    def evidence(self) -> Evidence:
        """What a run would have found."""
        with serving(self.faults) as subject:
            warm_up = stationarity.warm_up(subject.drive(WARM_UP_SECONDS, connections=SATURATING).records.service())
            cached = _audit(subject) if self.audited else None
            ceiling = _ceiling()
            rounds = [subject.turn(RATE, SECONDS, seed, self.engine, ceiling).figures for seed in range(ROUNDS)]
        return Evidence(rounds, [warm_up], cached)


@cache
def _ceiling() -> float:
    """Of the engine with requests of the model that all saboteurs serve; measured once, for it is the machine's."""
    material = Material.of(HONEST.model)
    (request,) = material.encode(material.questions.inputs[:1], port=0)
    return ceiling_of(request, PLAIN, SATURATING, CEILING_SECONDS, placement(1))


def _audit(subject: Subject) -> CacheAudit:
    assert subject.material  # noqa: S101 - saboteurs serve a model

    def drive(batches: Any) -> Records:
        return subject.asking(batches).drive(AUDIT_SECONDS, connections=SATURATING).records

    return audit.cached(subject.material.questions.inputs, drive, seed=1)


CASES: Final = (
    Case("honest", "does an honest run pass all gates?", "", audited=True),
    Case(
        "caching",
        "is a server found that remembers answers?",
        "CACHED_ANSWERS",
        faults=replace(HONEST, cache=True),
        audited=True,
    ),
    Case(
        "wrong",
        "is a server found that begins to answer wrongly?",
        "WRONG_ANSWER",
        faults=replace(HONEST, wrong_after=500),
        audited=True,
    ),
    Case("late", "is an engine found that sends late?", "GENERATOR_LATE", engine=saboteurs.command("late")),
    Case("bursty", "is an engine found that sends in bursts?", "ARRIVALS_OFF", engine=saboteurs.command("bursty")),
    Case(
        "lost",
        "is an engine found that loses stamps?",
        "LITTLE_BROKEN",
        faults=WAITING,
        engine=saboteurs.command("lost"),
    ),
)
