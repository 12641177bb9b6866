"""What is asked before a strategy is recommended, and what may be answered. Pure."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from servelab.errors import ServelabError

PERCENTILES = ("p50", "p90", "p95", "p99")
NEEDS = {
    "versions": "several versions of a model, and a way to say which answers",
    "ab": "two versions at once, each with its share of the requests",
    "batching": "requests that arrive together go through the model together",
    "upload": "clients send a picture file, not numbers",
    "pipeline": "training, judging and deploying as steps that are run again",
    "metrics": "counters and times for a monitoring system",
    "grpc": "gRPC beside HTTP",
    "openapi": "a page that documents the routes and lets one try them",
    "multi-model": "several models in one server",
}
ANY, NOTHING = "any", "nothing"


class AnswerError(ServelabError):
    """An answer is none of those that were asked for; the message says which ones are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The answers; the defaults are those of somebody who has not been asked yet. Raises AnswerError."""

    when: str = "online"
    model: str = "image"
    need: tuple[str, ...] = ()
    latency: float | None = 100.0  # ms
    percentile: str = "p99"
    rate: float = 10.0  # predictions per second
    time: str = "weeks"
    people: int = 2
    know: str = "web"
    cluster: str = "none"
    cloud: str = "no"
    price: float | None = None  # of a core-hour
    budget: float | None = None  # a month, in the same money

    def __post_init__(self) -> None:
        for question in QUESTIONS:
            question.check(getattr(self, question.name))
        if self.budget is not None and self.price is None:
            raise AnswerError("budget: expected a price of a core-hour beside it (--price 0.05), in the same money")

    @property
    def bound(self) -> str:
        """The bound on the response time, in words."""
        return "no bound" if self.latency is None else f"{self.percentile} of {self.latency:g} ms"

    @property
    def given(self) -> dict[str, Any]:
        """The answers that are not the default."""
        return {each.name: value for each in fields(self) if (value := getattr(self, each.name)) != each.default}

    @property
    def idle(self) -> set[str]:
        """The answers that cannot matter beside the others."""
        return idle({each.name: getattr(self, each.name) for each in fields(self)})

    def command(self) -> str:
        """What to type for them."""
        options = (f"--{name} {typed(value)}" for name, value in self.given.items())
        return " ".join([".venv/bin/servelab choose", *options])


def typed(value: object) -> str:
    """An answer as one types it."""
    if isinstance(value, tuple):
        return ",".join(value) or NOTHING
    return ANY if value is None else f"{value:.12g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, slots=True)
class Question:
    """A question: its words, what is expected, how a typed answer is read, and which values it may have."""

    name: str
    words: str
    expected: str
    read: Callable[[str], Any]  # ValueError when it is another thing
    allowed: Callable[[Any], bool]
    meanings: Mapping[str, str] = field(default_factory=dict)  # of the words that may be answered

    @property
    def prompt(self) -> str:
        """What somebody at a terminal is asked."""
        width = max(map(len, self.meanings), default=0)
        meant = "".join(f"    {word:{width}}  {text}\n" for word, text in self.meanings.items())
        return f"{self.words}\n{meant}  {self.name} [{self.default}]: "

    @property
    def explained(self) -> str:
        """The question in one line."""
        meant = "; ".join(f"{word}: {text}" for word, text in self.meanings.items())
        return f"{self.words} ({meant})" if meant else self.words

    def parse(self, text: str) -> Any:
        """The answer that was typed. Raises AnswerError."""
        try:
            value = self.read(text.strip().lower())
        except ValueError:
            raise self._refused(text) from None
        if not self.allowed(value):
            raise self._refused(text)
        return value

    def check(self, value: Any) -> None:
        """Raises AnswerError when it is none of the answers."""
        try:
            good = self.allowed(value)
        except TypeError:
            good = False
        if not good:
            raise self._refused(value)

    @property
    def default(self) -> str:
        """The default, as one would type it."""
        return typed(next(each.default for each in fields(Answers) if each.name == self.name))

    def _refused(self, found: object) -> AnswerError:
        return AnswerError(f"{self.name}: expected {self.expected}; found {found!r:.60}")


def _one_of(name: str, words: str, **meanings: str) -> Question:
    *others, last = meanings
    return Question(name, words, f"{', '.join(others)} or {last}", str, lambda value: value in meanings, meanings)


def _number(name: str, words: str, *, optional: bool = False, most: float = 1e9) -> Question:
    expected = f"a number above 0 and at most {most:g}" + (f", or {ANY!r}" if optional else "")

    def parse(text: str) -> float | None:
        return None if optional and text == ANY else float(text)

    def allowed(value: Any) -> bool:
        if value is None:
            return optional
        return type(value) in (int, float) and math.isfinite(value) and 0 < value <= most

    return Question(name, words, expected, parse, allowed)


def asked(so_far: Mapping[str, Any]) -> "Question | None":
    """The next question, after these answers; None when there is none. Those that cannot matter are left out."""
    return next((each for each in QUESTIONS if each.name not in {*so_far, *idle(so_far)}), None)


def idle(said: Mapping[str, Any]) -> set[str]:
    """The questions that cannot matter, after these answers."""
    if said.get("when") == "batch":
        return {"latency", "percentile", "rate", "budget"}
    without = {"percentile": "latency", "budget": "price"}
    return {name for name, other in without.items() if said.get(other, 0) is None}


def _some_needs(text: str) -> tuple[str, ...]:
    return () if text == NOTHING else tuple(dict.fromkeys(word.strip() for word in text.split(",")))


QUESTIONS = (
    _one_of("when", "Does somebody wait for each answer?", online="yes", batch="no, answers are looked up later"),
    _one_of("model", "What goes into the model?", image="a picture", table="a row of numbers"),
    Question("need", "What must it have, besides answers? Several: with commas between.",
             f"some of {', '.join(NEEDS)}, with commas between, or {NOTHING!r}", _some_needs,
             lambda value: isinstance(value, tuple) and set(value) <= set(NEEDS), NEEDS),
    _number("latency", "How many milliseconds may an answer take? (any: no bound)", optional=True),
    Question("percentile", "Which share of the answers must be that quick? (p99: 99 of 100)",
             f"one of {', '.join(PERCENTILES)}", str, lambda value: value in PERCENTILES),
    _number("rate", "How many predictions a second, at the busiest time?"),
    _one_of("time", "When must the first version answer?", days="in days", weeks="in weeks", months="in months"),
    Question("people", "How many people will look after it?", "a whole number from 1 to 1000", int,
             lambda value: type(value) is int and 1 <= value <= 1000),
    _one_of("know", "What do they know already?", python="Python, no servers", web="they have run a web server",
            platform="they run containers on a cluster"),
    _one_of("cluster", "Is there a Kubernetes cluster that somebody looks after?", none="no", there="yes"),
    _one_of("cloud", "May a ready-made cloud service be paid for, for a prototype?", no="no", yes="it may"),
    _number("price", "What does an hour of one core cost, in your money? (any: leave money out)", optional=True),
    _number("budget", "How much of that money may the servers cost in a month? (any: no bound)",
            optional=True, most=1e12),
)  # fmt: skip
