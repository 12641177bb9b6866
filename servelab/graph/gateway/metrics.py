"""What the executor tells Prometheus: how long requests took it, and its calls took the components.

Names, labels and buckets are those of Seldon Core 1.17.1 (executor/api/metric); the format is Prometheus' text format
0.0.4, https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator

from servelab.graph.manifest import Deployment, Predictor, Unit

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)  # seconds
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Histogram:
    """Durations in seconds, one series for each set of values that the labels take."""

    def __init__(self, name: str, description: str, labels: tuple[str, ...]) -> None:
        self._head = f"# HELP {name} {description}\n# TYPE {name} histogram\n"
        self._name = name
        self._labels = labels
        self._counts: dict[tuple[str, ...], list[int]] = {}
        self._sums: dict[tuple[str, ...], float] = {}

    def observe(self, values: tuple[str, ...], seconds: float) -> None:
        """Count one duration; ``values`` in the order of the labels."""
        counts = self._counts.get(values)
        if counts is None:
            counts = self._counts[values] = [0] * (len(BUCKETS) + 1)
            self._sums[values] = 0.0
        counts[bisect_left(BUCKETS, seconds)] += 1
        self._sums[values] += seconds

    def keep(self, wanted: Callable[[tuple[str, ...]], bool]) -> None:
        """Drop the series of all other values."""
        for values in [values for values in self._counts if not wanted(values)]:
            del self._counts[values], self._sums[values]

    def text(self) -> str:
        """All series, as Prometheus reads them."""
        return self._head + "".join(line for values in self._counts for line in self._series(values))

    def _series(self, values: tuple[str, ...]) -> Iterator[str]:
        labels = ",".join(f'{k}="{v.translate(_ESCAPES)}"' for k, v in zip(self._labels, values, strict=True))
        total = 0
        for limit, count in zip((*map(str, BUCKETS), "+Inf"), self._counts[values], strict=True):
            total += count
            yield f'{self._name}_bucket{{{labels},le="{limit}"}} {total}\n'
        yield f"{self._name}_sum{{{labels}}} {self._sums[values]}\n"
        yield f"{self._name}_count{{{labels}}} {total}\n"


class Metrics:
    """Both histograms of the executor."""

    def __init__(self) -> None:
        deployed = ("deployment_name", "predictor_name", "predictor_version", "service")
        asked = ("model_name", "model_image", "model_version")
        result = ("method", "code")
        self.server = Histogram(
            "seldon_api_executor_server_requests_seconds",
            "A histogram of latencies for executor server",
            (*deployed, *result),
        )
        self.client = Histogram(
            "seldon_api_executor_client_requests_seconds",
            "A histogram of latencies for client calls from executor",
            (*deployed, *asked, *result),
        )

    def answered(
        self, deployment: Deployment, predictor: Predictor, service: str, method: str, code: str, seconds: float
    ) -> None:
        """Count a request that was answered so, by one of the deployment's predictors."""
        self.server.observe((*_whose(deployment, predictor), service, method, code), seconds)

    def asked(
        self, deployment: Deployment, predictor: Predictor, unit: Unit, service: str, method: str, code: str,
        seconds: float,
    ) -> None:  # fmt: skip
        """Count a call to the component of a unit, which answered so."""
        image = unit.name, *_image(unit.image)
        self.client.observe((*_whose(deployment, predictor), service, *image, method, code), seconds)

    def keep(self, deployments: Iterable[Deployment]) -> None:
        """Drop the series of all that is in none of the deployments, for a runner that lives long sees many."""
        pairs = [(deployment, predictor) for deployment in deployments for predictor in deployment.predictors]
        answered = {_whose(*pair) for pair in pairs}
        asked = {(*_whose(*pair), unit.name, *_image(unit.image)) for pair in pairs for unit in pair[1].units()}
        self.server.keep(lambda values: values[:3] in answered)
        self.client.keep(lambda values: (*values[:3], *values[4:7]) in asked)

    def text(self) -> str:
        """Everything, as Prometheus reads it."""
        return self.server.text() + self.client.text()


def _whose(deployment: Deployment, predictor: Predictor) -> tuple[str, str, str]:
    return deployment.name, predictor.name, predictor.annotations.get("version", "")


def _image(image: str) -> tuple[str, str]:
    """Name and version; a registry may have a port, registry:5000/name:1."""
    name, _, version = image.rpartition(":")
    return (name, version) if name and "/" not in version else (image, "")
