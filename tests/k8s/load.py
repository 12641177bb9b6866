"""A steady load of right requests by several clients, and what became of each."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np

import servelab
import shared_models
from servelab.conformance.answers import difference
from servelab.errors import RequestFailed

CLIENTS = 4
PAUSE = 0.01  # seconds between a client's requests
RETRY_AFTER = 2.0  # seconds: by then the cluster's proxies know of a pod that is gone
ANSWER_WITHIN = 10.0


@dataclass(slots=True)
class Outcome:
    """What became of the requests: how many each version answered rightly, and what failed."""

    right: dict[str, int] = field(default_factory=dict)
    retried: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


class Load:
    """Clients that ask for the model's goldens until the ``with`` block ends; ``outcome`` is told then.

    Every answer must be that of one of the ``versions``. Half of the clients keep their connection, half open one for
    each request. With ``retry``, a request that failed is sent once more, and all open one for each: on a kept one,
    the common client tries twice by itself.
    """

    def __init__(self, url: str, model: str, versions: Sequence[str], retry: bool) -> None:
        self._url, self._model, self._retry = url, model, retry
        self._goldens = {version: shared_models.load(model, version).golden() for version in versions}
        self._done = threading.Event()
        self._pool = ThreadPoolExecutor(CLIENTS)
        self._clients: list[Future[Outcome]] = []
        self.outcome = Outcome()

    def __enter__(self) -> Self:
        self._clients = [self._pool.submit(self._ask, number) for number in range(CLIENTS)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        for client in self._clients:
            part = client.result()
            for version, count in part.right.items():
                self.outcome.right[version] = self.outcome.right.get(version, 0) + count
            self.outcome.retried += part.retried
            self.outcome.failed += part.failed
        self._pool.shutdown()

    def _ask(self, number: int) -> Outcome:
        outcome = Outcome()
        inputs = next(iter(self._goldens.values())).inputs
        with servelab.Client(self._url, "v1", shared_models.load(self._model), timeout=ANSWER_WITHIN) as client:
            anew = self._retry or number % 2 == 0
            while not self._done.wait(PAUSE):
                if anew:
                    client.close()
                number = (number + 1) % len(inputs)
                try:
                    self._once(client, inputs, number, outcome)
                except RequestFailed as error:
                    (outcome.retried if self._retry else outcome.failed).append(str(error))
                    if self._retry:
                        self._again(client, inputs, number, outcome)
        return outcome

    def _once(self, client: servelab.Client, inputs: np.ndarray, number: int, outcome: Outcome) -> None:
        answer = client.predict(inputs[number : number + 1])
        expected = {version: golden.outputs[number : number + 1] for version, golden in self._goldens.items()}
        of = next((version for version, right in expected.items() if not difference(answer, right)), None)
        if of is None:
            outcome.failed.append(f"golden {number}: no version answers {answer}")
        else:
            outcome.right[of] = outcome.right.get(of, 0) + 1

    def _again(self, client: servelab.Client, inputs: np.ndarray, number: int, outcome: Outcome) -> None:
        time.sleep(RETRY_AFTER)
        client.close()
        try:
            self._once(client, inputs, number, outcome)
        except RequestFailed as error:
            outcome.failed.append(str(error))
