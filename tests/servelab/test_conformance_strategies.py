"""Every strategy passes the conformance kit with every model that it serves; those of a cluster have tests there."""

import pytest

from servelab import conformance, strategy

PAIRS = [(name, model) for name, found in strategy.discover().items() if found.tier < 2 for model in found.models]


@pytest.mark.parametrize(("name", "model"), PAIRS)
def test_conformance(name: str, model: str) -> None:
    report = conformance.run(name, model)
    assert report.ok, report.render()
