"""Six situations to practise on: docs/choosing.md shows what they lead to, lesson 29 asks for a choice in each."""

from dataclasses import dataclass

from servelab.choose.questions import Answers


@dataclass(frozen=True, slots=True)
class Card:
    """A situation: what is told, what is scarce, and the answers that it gives."""

    name: str
    title: str
    scarce: str
    story: str
    answers: Answers


CARDS = (
    Card(
        "by-friday", "By Friday", "time",
        "A customer wants to see digits read from photos by Friday. You are alone, you know Python and have never run "
        "a server. There is money for a cloud service while it is a prototype.",
        Answers(need=("upload",), time="days", people=1, know="python", cloud="yes", latency=500.0, rate=2.0),
    ),
    Card(
        "one-form", "One form on one page", "people",
        "A flower shop's site has a form with four numbers. Two people look after the whole site, in whatever is "
        "simplest to keep running for years.",
        Answers(model="table", people=2, latency=200.0, rate=5.0),
    ),
    Card(
        "the-bill", "The bill", "money",
        "A free app reads digits, 2,000 a second in the evening. A core-hour costs 0.05, and 80 a month is all there "
        "is.",
        Answers(rate=2000.0, price=0.05, budget=80.0, latency=250.0, people=3),
    ),
    Card(
        "the-machine", "Before the machine breaks", "latency",
        "Sensors of a press send four numbers each time it closes, 100 times a second. Whether it is about to break "
        "must be known in 3 ms, 99 times of 100.",
        Answers(model="table", latency=3.0, rate=100.0, people=4, time="months"),
    ),
    Card(
        "tomorrows-stock", "Tomorrow's stock", "nothing, as nobody waits",
        "How many of each of 20,000 articles will be sold tomorrow? It is computed every night, and the shops look it "
        "up in the morning.",
        Answers(when="batch", model="table", price=0.05),
    ),
    Card(
        "old-or-new", "The old one or the new one", "certainty",
        "A new version of the digit reader is said to be better. Half of the requests shall go to it before anybody "
        "believes that. Five people who know containers run a cluster.",
        Answers(need=("ab", "metrics"), people=5, know="platform", cluster="there", time="months"),
    ),
)  # fmt: skip
