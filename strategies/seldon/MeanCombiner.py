"""An ensemble: the mean of several models' answers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from refusing import refusing
from seldon_core.user_model import SeldonComponent  # type: ignore[import-untyped]

from shared_models import InvalidInput


class MeanCombiner(SeldonComponent):  # type: ignore[misc]
    """COMBINER: the mean of its children's arrays, which are all of one shape, element by element."""

    @refusing()
    def aggregate(self, features_list: Sequence[Any], feature_names_list: object = None) -> NDArray[Any]:
        """The mean, in the shape of each of ``features_list``, the children's answers in their order."""
        answers = [np.asarray(answer) for answer in features_list]
        shapes = [answer.shape for answer in answers]
        if not answers or any(answer.dtype.kind not in "fiu" for answer in answers):
            raise InvalidInput("expected an array of numbers from every child; found another, or no child")
        if len(set(shapes)) > 1:
            raise InvalidInput(f"expected answers of one shape from every child; found {', '.join(map(str, shapes))}")
        return np.mean(answers, axis=0)  # type: ignore[no-any-return]
