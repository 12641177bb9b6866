"""Which of several children answers."""

import math
import random

from refusing import bad_parameter
from seldon_core.user_model import SeldonComponent  # type: ignore[import-untyped]


class Router(SeldonComponent):  # type: ignore[misc]
    """ROUTER: draws one of ``n_branches`` children for each request, 0 for the first; the split of an A/B test.

    ``weights``, such as "0.9,0.1", are the children's shares; without them all are equal. A draw asks the operating
    system: workers that were forked from one process share no state, so their draws are independent.
    """

    def __init__(self, n_branches: int, weights: str = "") -> None:
        super().__init__()
        self._branches = range(_count(n_branches))
        self._weights = _shares(weights, len(self._branches))
        self._chance = random.SystemRandom()

    def route(self, features: object, features_names: object = None, meta: object = None) -> int:
        """The number of the child, a Python int, for the wrapper refuses numpy's."""
        return self._chance.choices(self._branches, self._weights)[0]


def _count(n_branches: int) -> int:
    try:
        count = int(n_branches)
    except (TypeError, ValueError):
        count = 0
    if count < 1:
        raise bad_parameter("n_branches", "the number of children, 1 or more (type INT)", n_branches)
    return count


def _shares(weights: str, count: int) -> list[float]:
    if not weights:
        return [1.0] * count
    expected = f"{count} numbers, none negative and not all 0, with commas between, such as 0.9,0.1 (type STRING)"
    try:
        shares = [float(weight) for weight in str(weights).split(",")]
    except ValueError:
        raise bad_parameter("weights", expected, weights) from None
    if len(shares) != count or min(shares) < 0 or not 0 < sum(shares) < math.inf:
        raise bad_parameter("weights", expected, weights)
    return shares
