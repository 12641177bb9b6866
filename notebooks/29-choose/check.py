"""The check of lesson 29: every choice is held against the card's limits and against your figures."""

import re
from collections.abc import Iterator

from notebooks.course.check import Failure, Unfinished, Work
from servelab.choose import CARDS, Advice, Card, advise, load
from servelab.choose.figures import FILE
from servelab.choose.rules import RULES, Case
from servelab.strategy import discover, names

FIELDS = ("strategy", "claim", "not_taken", "by")
NONE = "none"
PER_MONTH = "per_month"
CLAIM = re.compile(r"\s*(\w+)\s*<=\s*(\d+(?:\.\d+)?)\s*")


def check_every_card(work: Work) -> Iterator[Failure]:
    """every card has a choice, of a strategy that exists"""
    for card, choice in _choices(work):
        known = (*names(), NONE)
        if choice["strategy"] not in known:
            yield Failure(
                f"{card.name}: expected a strategy, one of {', '.join(known)}; found {choice['strategy']!r}",
                _look(card),
            )


def check_limits(work: Work) -> Iterator[Failure]:
    """no choice is ruled out by its card, under your figures"""
    yield from _unjudged(work)
    for card, choice, advice in _answered(work):
        for answer, why in advice.ruled_out.get(choice["strategy"], {}).items():
            yield Failure(f"{card.name}: {choice['strategy']} is ruled out by {answer}: {why}", _look(card))
        if choice["strategy"] == NONE and advice.recommended:
            yield Failure(
                f"{card.name}: expected a strategy, as {', '.join(advice.names)} would do; found {NONE!r}", _look(card)
            )
        if choice["strategy"] in names() and not advice.recommended:
            yield Failure(
                f"{card.name}: expected {NONE!r}, as nothing here fits; found {choice['strategy']!r}", _look(card)
            )


def check_claims(work: Work) -> Iterator[Failure]:
    """what you claim is true, and enough for the card"""
    yield from _unjudged(work)
    for card, choice, advice in _answered(work):
        if choice["strategy"] == NONE or choice["strategy"] not in names():
            continue
        match = CLAIM.fullmatch(choice["claim"])
        if not match:
            yield Failure(
                f"{card.name}: expected a claim such as 'p99_ms <= 100'; found {choice['claim']!r}",
                "choices.py: Choice",
            )
            continue
        yield from _claimed(card, choice["strategy"], match[1], float(match[2]), advice)


def _claimed(card: Card, strategy: str, figure: str, most: float, advice: Advice) -> Iterator[Failure]:
    answers, run = card.answers, advice.run
    wanted, limit = f"{answers.percentile}_ms", answers.latency
    if answers.budget is not None:
        wanted, limit = PER_MONTH, answers.budget
    if figure != wanted:
        yield Failure(
            f"{card.name}: expected a claim about {wanted}, which this card is about; found {figure}", _look(card)
        )
        return
    if limit is not None and most > limit:
        yield Failure(f"{card.name}: expected {wanted} <= {limit:g} or less; {most:g} is not enough", _look(card))
    case = Case(discover()[strategy], answers, run, run.arm(strategy) if run else None)
    found = case.response
    if wanted == PER_MONTH:
        found = case.scaled.per_month if case.scaled else None
    if found is None or found > most:
        unknown = "it is not known (bench report says what is missing)" if case.measured else "it was not measured"
        said = unknown if found is None else f"it is {found:.4g}"
        yield Failure(
            f"{card.name}: expected {wanted} <= {most:g} of {strategy} to be true; {said}",
            f"the figures: bench report (they are from {run.folder if run else 'nowhere'})",
        )


def check_not_taken(work: Work) -> Iterator[Failure]:
    """what you did not take is ruled out, by the answer that you name"""
    for card, choice, advice in _answered(work):
        other, answer = choice["not_taken"], choice["by"]
        if other not in names():
            yield Failure(f"{card.name}: expected a strategy that you did not take; found {other!r}", _look(card))
        elif answer not in RULES:
            yield Failure(f"{card.name}: expected an answer, one of {', '.join(RULES)}; found {answer!r}", _look(card))
        elif other not in advice.ruled_out:
            yield Failure(f"{card.name}: expected one that the card rules out; {other} would do, too", _look(card))
        elif answer not in advice.ruled_out[other]:
            by = ", ".join(advice.ruled_out[other])
            yield Failure(f"{card.name}: {answer} does not rule {other} out; what does: {by}", _look(card))


def _unjudged(work: Work) -> Iterator[Failure]:
    """One failure for all the cards that have no choice yet."""
    if cards := [card.name for card, choice in _choices(work) if choice["strategy"] not in (*names(), NONE)]:
        yield Failure(f"not judged yet: {', '.join(cards)}", "the first check")


def _look(card: Card) -> str:
    return f"the card's answers: {card.answers.command()}"


def _choices(work: Work) -> Iterator[tuple[Card, dict[str, str]]]:
    """Each card with the learner's choice, as far as there is one; a hole in the table ends the check."""
    choices = getattr(work.module("choices"), "CHOICES", None)
    if not isinstance(choices, dict):
        raise Unfinished(f"expected CHOICES, a table of a Choice for each card; found {choices!r:.60}", "choices.py")
    for card in CARDS:
        choice = choices.get(card.name)
        if not isinstance(choice, tuple) or len(choice) != len(FIELDS):
            raise Unfinished(f"{card.name}: expected a Choice({', '.join(FIELDS)}); found {choice!r:.60}", "choices.py")
        if not all(isinstance(each, str) for each in choice):
            raise Unfinished(f"{card.name}: expected four texts, in quotes; found {tuple(choice)!r:.90}", "choices.py")
        yield card, dict(zip(FIELDS, choice, strict=True))


def _answered(work: Work) -> Iterator[tuple[Card, dict[str, str], Advice]]:
    """The same with what your figures say, or ours where you have none."""
    file = work.folder / "figures.json"
    figures = load(file if file.exists() else FILE)
    strategies = discover().values()
    for card, choice in _choices(work):
        yield card, choice, advise(card.answers, strategies, figures)
