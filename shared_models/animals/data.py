"""A year of an animal shelter, drawn by our own seeded code: who came in, and what became of them within a month.

Nothing here was observed. The outcome is drawn from a multinomial logit (McFadden, 1974) of what a shelter would look
at, so the classes overlap as real ones do: two animals of the same row may fare differently.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NUMBERS = ("returned", "age", "shyness", "health")
OUTCOMES = ("adopted", "fostered", "stays")
SOURCE = "drawn by shared_models/animals/data.py: an imaginary shelter, no animal was observed"
LICENCE = "Apache-2.0, that of this repository"
CERTAINTY = 5.0  # scale of the scores before the draw: the higher, the less the classes overlap


@dataclass(frozen=True, slots=True)
class Species:
    """How often it comes in, and what age does to it: ``yearning`` fades by ``fading`` per year of ``lifespan``."""

    name: str
    share: float
    lifespan: float
    yearning: float
    fading: float


SPECIES = (
    Species("dog", 0.40, 14.0, 1.6, 3.2),
    Species("cat", 0.35, 16.0, 1.2, 3.6),
    Species("rabbit", 0.15, 9.0, 0.1, 0.8),
    Species("parrot", 0.10, 40.0, 0.2, -1.4),  # an old one talks
)


@dataclass(frozen=True, slots=True)
class Shelter:
    """``species`` (N,) strings, ``numbers`` (N, 4) in the order of `NUMBERS`, ``outcomes`` (N,) indices of `OUTCOMES`.

    returned: how often it was brought back; age: years; shyness and health: 0 to 1, as the keepers judge.
    """

    species: NDArray[np.str_]
    numbers: NDArray[np.float64]
    outcomes: NDArray[np.int64]

    def rows(self) -> list[list[str | int | float]]:
        """The animals as a client sends them: ``["dog", 0, 4, 0.2, 0.79]``."""
        whole = [[int(value) if value == int(value) else value for value in row] for row in self.numbers.tolist()]
        return [[name, *row] for name, row in zip(self.species.tolist(), whole, strict=True)]


def draw(n: int, seed: int) -> Shelter:
    """``n`` animals; the same seed draws the same."""
    chance = np.random.default_rng(seed)
    kinds = chance.choice(len(SPECIES), n, p=[species.share for species in SPECIES])
    lifespans, yearnings, fadings = (
        np.array([getattr(species, key) for species in SPECIES])[kinds] for key in ("lifespan", "yearning", "fading")
    )
    life = chance.beta(1.2, 2.5, n)  # part of its life that has passed: the young are many
    shyness, health = chance.beta(1.6, 2.4, n), chance.beta(4.0, 1.6, n)
    returned = np.minimum(chance.poisson(0.2 + 0.9 * shyness), 4)
    age = np.where(life * lifespans < 2, np.round(life * lifespans, 1), np.round(life * lifespans))
    scores = np.stack(
        [
            yearnings + 0.6 - fadings * life - 1.1 * shyness - 0.4 * returned,
            2.4 - 4.6 * health + 1.2 * (life < 0.12),  # the sick and the newborn need a home's nursing
            1.6 * shyness + 0.5 * returned - 0.5,
        ],
        axis=1,
    )
    outcomes = (CERTAINTY * scores + chance.gumbel(size=scores.shape)).argmax(axis=1)
    numbers = np.stack([returned, age, np.round(shyness, 2), np.round(health, 2)], axis=1).astype(np.float64)
    names = np.array([species.name for species in SPECIES])[kinds]
    return Shelter(names, numbers, outcomes.astype(np.int64))
