"""What the gateway counts: traffic by weight, requests on their way, durations for Prometheus."""

import asyncio
import dataclasses
import itertools
from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given, strategies as st

from servelab.graph import manifest
from servelab.graph.gateway.live import Endpoint, Live
from servelab.graph.gateway.metrics import BUCKETS, Histogram, Metrics
from servelab.graph.gateway.registry import Registry
from tests.servelab.graph.serving import deployment, node, predictor


def live(*traffic: int, shadow: int | None = None, annotations: Mapping[str, str] | None = None) -> Live:
    predictors = [predictor(node("m"), f"p{n}", traffic=share) for n, share in enumerate(traffic)]
    if shadow is not None:
        predictors.append(predictor(node("m"), "dark", traffic=shadow, shadow=True))
    document = deployment(*predictors, annotations=annotations)
    return Live(manifest.parse(document), {("p0", "m"): Endpoint(("127.0.0.1", 1))})


@given(st.lists(st.integers(0, 100), min_size=1, max_size=5))
def test_each_predictor_gets_its_share_of_all_draws(cuts: list[int]) -> None:
    bounds = sorted({0, 100, *cuts})
    traffic = [after - before for before, after in itertools.pairwise(bounds)]
    one = live(*traffic)
    draws = iter([(n + 0.5) / 1000 for n in range(1000)])
    found = Counter(one.choose(lambda: next(draws)).name for _ in range(1000))
    assert found == {f"p{n}": share * 10 for n, share in enumerate(traffic)}


def test_the_largest_draw_finds_a_predictor() -> None:
    assert live(50, 50).choose(lambda: 1.0).name == "p1"  # a share may be a hair below its sum
    assert live(0).choose(lambda: 0.5).name == "p0"  # a single one needs no traffic


@pytest.mark.parametrize(
    ("shadow", "draw", "mirrored"), [(None, 0.0, False), (0, 0.99, True), (20, 0.19, True), (20, 0.2, False)]
)
def test_a_shadow_gets_all_or_its_percentage(shadow: int | None, draw: float, mirrored: bool) -> None:
    assert live(100, shadow=shadow).mirrors(lambda: draw) is mirrored


@pytest.mark.parametrize(("text", "seconds"), [("1500", 1.5), ("", 30.0), ("0", 30.0), ("-1", 30.0), ("2 s", 30.0)])
def test_the_timeout_is_the_annotation_s_milliseconds(text: str, seconds: float) -> None:
    assert live(100, annotations={"seldon.io/rest-timeout": text}).timeout == seconds
    assert live(100, annotations={"seldon.io/grpc-timeout": text}).grpc_timeout == seconds


def test_of_very_many_deployments_an_error_lists_some() -> None:
    registry = Registry()
    for number in range(500):
        document = deployment(predictor(node("m")), name=f"d{number}")
        registry.put(Live(manifest.parse(document), {}))
    text = registry.missing("test", "d4999")
    assert "and 480 more" in text
    assert text.endswith("did you mean /seldon/test/d499/?")
    assert len(text) < 2_000


def test_drained_waits_for_every_request() -> None:
    async def check() -> None:
        one = live(100)
        await asyncio.wait_for(one.drained(), 1)
        with one:
            with one:
                assert one.requests == 2
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(one.drained(), 0.01)
        await asyncio.wait_for(one.drained(), 1)

    asyncio.run(check())


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        ("name:1", 'model_image="name",model_version="1"'),
        ("registry:5000/a/name:1", 'model_image="registry:5000/a/name",model_version="1"'),
        ("registry:5000/name", 'model_image="registry:5000/name",model_version=""'),
        ("", 'model_image="",model_version=""'),
    ],
)
def test_an_image_s_version_is_no_port_of_its_registry(image: str, labels: str) -> None:
    metrics, of = Metrics(), live(100).deployment
    unit = dataclasses.replace(of.predictors[0].graph, image=image)
    metrics.asked(of, of.predictors[0], unit, "/predict", "post", "200", 0.1)
    assert f'model_name="m",{labels},method="post",code="200",le=' in metrics.text()


@given(st.lists(st.floats(0, 20), max_size=30))
def test_a_histogram_counts_every_duration_up_to_each_limit(durations: list[float]) -> None:
    histogram = Histogram("h", "text", ("label",))
    for seconds in durations:
        histogram.observe(('a"b\\\n',), seconds)
    lines = histogram.text().splitlines()[2:]
    if not durations:
        assert lines == []
        return
    series = {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}
    for limit in (*BUCKETS, float("inf")):
        bound = "+Inf" if limit == float("inf") else str(limit)
        name = f'h_bucket{{label="a\\"b\\\\\\n",le="{bound}"}}'
        assert series[name] == sum(seconds <= limit for seconds in durations)
    assert series['h_count{label="a\\"b\\\\\\n"}'] == len(durations)
    assert series['h_sum{label="a\\"b\\\\\\n"}'] == pytest.approx(sum(durations))
