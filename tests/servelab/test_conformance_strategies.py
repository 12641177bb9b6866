"""Every strategy passes the conformance kit with every model that it serves."""

import pytest

from servelab import conformance, strategy

PAIRS = [(name, model) for name, found in strategy.discover().items() for model in found.models]


@pytest.mark.parametrize(("name", "model"), PAIRS)
def test_conformance(name: str, model: str) -> None:
    report = conformance.run(name, model)
    assert report.ok, report.render()
