"""The A/B graph as a strategy: what it lets through is split as its router draws, and each answer is of one version."""

import json
import math
from collections.abc import Iterator

import numpy as np
import pytest

import servelab
import shared_models
from servelab import strategy as strategies
from servelab.graph import manifest
from servelab.graph.runner import program
from servelab.graph.runner.program import Sources
from servelab.protocols.base import Request

REQUESTS = 400


@pytest.fixture(scope="module")
def server() -> Iterator[servelab.Server]:
    with servelab.serve("seldon-ab", model="iris", workers=2) as running:
        yield running


def test_the_split_of_the_observed_traffic_is_the_routers(server: servelab.Server) -> None:
    """400 draws of a fair router lie within 5 standard deviations of the half but once in a million runs."""
    golden = server.model.golden()
    versions = [shared_models.load("iris", version) for version in ("1", "2")]
    expected = [version.predict(golden.inputs) for version in versions]
    request = Request("POST", "/api/v1.0/predictions", (("Content-Type", "application/json"),),
                      json.dumps({"data": {"ndarray": golden.inputs.tolist()}}).encode())  # fmt: skip
    counts = [0, 0]
    for _ in range(REQUESTS):
        status, _, body = server.client.exchange(request)
        assert status == 200
        answer = json.loads(body)
        chosen = answer["meta"]["routing"]["router"]
        np.testing.assert_allclose(answer["data"]["ndarray"], expected[chosen], atol=1e-6)
        counts[chosen] += 1
    assert abs(counts[0] - REQUESTS / 2) < 5 * math.sqrt(REQUESTS) / 2
    assert not np.allclose(expected[0], expected[1], atol=1e-3), "the versions must differ, or there is no test"


@pytest.mark.parametrize("model", ["iris", "mnist"])
def test_its_graphs_are_the_seeds_form_over_both_versions(model: str) -> None:
    strategy = strategies.load("seldon-ab")
    (deployment,) = manifest.read(strategy.folder / f"{model}.yaml")
    (predictor,) = deployment.predictors
    transformer, router, *models = predictor.units()
    assert [unit.type for unit in (transformer, router)] == ["TRANSFORMER", "ROUTER"]
    stored = [{p.name: p.value for p in unit.parameters} for unit in models]
    assert stored == [{"container_name": model, "run_name": version} for version in strategy.versions]
    assert len(program.of_deployment(deployment, Sources())) == 4
