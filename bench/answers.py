"""Requests made from golden inputs, and answers held against the golden outputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import httptools
import numpy as np
from numpy.typing import NDArray

from servelab.conformance.answers import difference, right
from servelab.protocols import DecodeError, Protocol
from servelab.strategy import Strategy
from shared_models import Model


@dataclass(frozen=True, slots=True)
class Questions:
    """The distinct batches of a run and what they must give. Request i asks batch i modulo their number.

    inputs: (N, *input shape) each; expected: (N, classes) each, of an A/B test (versions, N, classes), see `right`.
    """

    inputs: Sequence[NDArray[np.float32]]
    expected: Sequence[NDArray[np.float32]]

    @classmethod
    def of(cls, model: Model, batch: int, strategy: Strategy | None = None) -> "Questions":
        """As many batches as there are golden inputs, each starting at another one; the answers are the strategy's."""
        golden = right(strategy, model) if strategy else model.golden()
        rows = len(golden.inputs)
        picks = [np.arange(start, start + batch) % rows for start in range(rows)]
        return cls([golden.inputs[pick] for pick in picks], [golden.outputs[..., pick, :] for pick in picks])

    def wrong(self, answers: Mapping[int, bytes], protocol: Protocol) -> str:
        """What is wrong with the first wrong one of these raw answers (2xx ones alone); empty when all are right."""
        for index, raw in sorted(answers.items()):
            answer = Answer.parse(raw)
            if answer.status >= 300:
                continue  # counted as an error already
            try:
                found = protocol.decode(answer.headers, bytes(answer.body))
            except DecodeError as error:
                return f"request {index}: {error}"
            expected = self.expected[index % len(self.expected)]
            if problem := difference(found, expected):
                return f"request {index}: {problem}"
        return ""


@dataclass(slots=True)
class Answer:
    """One parsed HTTP response; header names in lower case. Interim (1xx) answers before it are passed over."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)

    @classmethod
    def parse(cls, raw: bytes) -> "Answer":
        answer = cls()
        parser = httptools.HttpResponseParser(answer)
        parser.feed_data(raw)
        answer.status = parser.get_status_code()
        return answer

    def on_message_begin(self) -> None:
        self.headers.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, data: bytes) -> None:
        self.body += data
