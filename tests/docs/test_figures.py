"""Figures that a page quotes in its prose are those of the committed runs."""

import re

from servelab.choose import load
from servelab.paths import ROOT


def test_what_a_graph_takes_is_the_committed_figure() -> None:
    text = " ".join((ROOT / "docs/graphs.md").read_text("utf-8").split())
    quoted = re.search(r"it took ([\d.]+) times the CPU time of the single component `seldon`", text)
    run = load().of("image")
    assert quoted is not None
    assert run is not None
    cpu = {arm.name: arm.cpu_us or 0.0 for arm in run.arms}
    assert quoted[1] == f"{cpu['seldon-ab'] / cpu['seldon']:.1f}"
