"""Six situations, a choice in each, and why. `.venv/bin/python notebooks/work/29/choices.py` shows the cards."""

import textwrap
from typing import NamedTuple

from servelab.choose import CARDS

NONE = "none"  # no strategy of this repository fits


class Choice(NamedTuple):
    """What you take, and what speaks for it.

    claim      a figure, and what it is at most: "p99_ms <= 100". It must be true of the figures that you choose by, and
               it must be enough for the card: where it asks for p99 in 100 ms, "p99_ms <= 200" is not. Where money is
               scarce, claim the bill: "per_month <= 80".
    not_taken  a strategy that the card rules out,
    by         and the answer that rules it out: when, model, need, latency, budget, cluster, time, people or know.

    Where nothing here fits, say Choice(NONE, "", not_taken, by).
    """

    strategy: str
    claim: str
    not_taken: str
    by: str


CHOICES = {
    "by-friday": Choice("bentoml", "p99_ms <= 500", "flask", "need"),  # solution
    # starter: "by-friday": Choice("", "", "", ""),
    "one-form": Choice("fastapi", "p99_ms <= 200", "seldon-minikube", "cluster"),  # solution
    # starter: "one-form": Choice("", "", "", ""),
    "the-bill": Choice("fastapi", "per_month <= 80", "mlflow", "budget"),  # solution
    # starter: "the-bill": Choice("", "", "", ""),
    "the-machine": Choice("fastapi", "p99_ms <= 3", "seldon-ab", "latency"),  # solution
    # starter: "the-machine": Choice("", "", "", ""),
    "tomorrows-stock": Choice(NONE, "", "fastapi", "when"),  # solution
    # starter: "tomorrows-stock": Choice("", "", "", ""),
    "old-or-new": Choice("seldon-ab", "p99_ms <= 100", "bentoml", "need"),  # solution
    # starter: "old-or-new": Choice("", "", "", ""),
}


def main() -> None:
    for card in CARDS:
        print(f"{card.name}: {card.title} (scarce: {card.scarce})")
        print(textwrap.indent(textwrap.fill(card.story, 90), "    "))
        print(f"    {card.answers.command()}")
        print(f"    your choice: {CHOICES[card.name]}\n")


if __name__ == "__main__":
    main()
