"""Draw measured.json as the SVG files of docs/measuring.md.

Text stays text, and the same numbers give the same bytes.
"""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

HERE = Path(__file__).parent
# Okabe and Ito's colours, which colour-blind readers can tell apart.
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#666666"
STYLE: dict[Any, Any] = {  # matplotlib types each key apart
    "svg.fonttype": "none", "svg.hashsalt": "measuring", "font.family": "sans-serif", "font.size": 10,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10, "axes.titlelocation": "left",
    "legend.frameon": False, "path.simplify": True, "path.simplify_threshold": 0.5,
    "figure.constrained_layout.use": True,
}  # fmt: skip


def stall(found: dict[str, Any]) -> Figure:
    """Over time, what each load sees of a stall; and the quantiles that come of it."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), width_ratios=(1.25, 1))
    closed = f"closed loop of {found['clients']} clients"
    for name, colour, label in (("open", BLUE, f"open loop, {found['rate']:g}/s"), ("closed", ORANGE, closed)):
        at, took = np.array(found["lines"][name])
        _stems(left, at, took, colour, label)
        right.plot(found["shares"], found["quantiles"][name], color=colour, label=label)
    left.set(title="Each request, by the time it was meant to be sent", xlabel="s", ylabel="response time, ms")
    left.set(ylim=(0, 225), xlim=(0, None))
    left.legend(loc="upper right", ncols=2)
    right.set(title="The same as percentiles", yscale="log", xlabel="percentile", ylabel="ms")
    right.set_xscale("logit", one_half="p50")
    right.set_xticks([0.5, 0.9, 0.95, 0.99, 0.999], ["p50", "p90", "p95", "p99", "p99.9"])
    right.set_xticks([], minor=True)
    right.axhline(180, color=GREY, linewidth=0.8, linestyle=":")
    right.annotate("the true p99: 180 ms", (0.5, 180), (0, 4), textcoords="offset points", color=GREY)
    return figure


def _stems(axes: Axes, at: Any, height: Any, colour: str, label: str) -> None:
    """One vertical line for each, all in one path: a marker each would make a large file."""
    x = np.repeat(at, 3)
    y = np.column_stack([np.zeros(len(at)), height, np.full(len(at), np.nan)]).ravel()
    axes.plot(x, y, color=colour, label=label, linewidth=1)


def arrivals(found: list[dict[str, Any]]) -> Figure:
    """One second of what each sender delivers at the same mean rate."""
    figure, axes = plt.subplots(figsize=(9, 0.62 * len(found) + 0.9))
    for row, each in enumerate(reversed(found)):
        at = np.array(each["times"])
        x = np.repeat(at, 3)
        y = np.tile([row - 0.3, row + 0.3, np.nan], len(at))
        axes.plot(x, y, color=BLUE if each["sender"].startswith("this engine") else ORANGE, linewidth=0.7)
        axes.text(1.02, row, f"{each['dispersion']:.2g}", va="center")
    axes.text(1.02, len(found) - 0.35, "dispersion", va="bottom", color=GREY)
    axes.set_yticks(range(len(found)), [each["sender"] for each in reversed(found)])
    axes.set(title="200 requests/s, one second of each, as the server saw them", xlabel="s", xlim=(0, 1))
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure


def same(found: dict[str, Any]) -> Figure:
    """How often two boots of one server are called different by three ways to compare, with exact intervals."""
    ways = {
        "single": "one window each,\nall requests tested",
        "blocks": "all of A, then all of B,\nrequests pooled",
        "paired": "alternating pairs,\nsign-flip test of windows",
    }
    figure, axes = plt.subplots(figsize=(9, 2.6))
    for row, name in enumerate(reversed(ways)):
        flagged, total = found[name]
        interval = stats.binomtest(flagged, total).proportion_ci()
        share, low, high = (100 * value for value in (flagged / total, interval.low, interval.high))
        axes.barh(row, share, color=GREEN if name == "paired" else ORANGE, height=0.55)
        axes.plot([low, high], [row, row], color=GREY, linewidth=1.5)
        axes.text(high + 1.5, row, f"{flagged} of {total}", va="center")
    axes.axvline(5, color=GREY, linestyle=":", linewidth=1)
    axes.annotate("5 % is what p < 0.05 promises", (5, 2.6), (4, 0), textcoords="offset points", color=GREY)
    axes.set_yticks(range(len(ways)), list(reversed(ways.values())))
    axes.set(
        title="Two boots of one server, called different", xlabel="% of comparisons", xlim=(0, 100), ylim=(-0.5, 2.9)
    )
    return figure


def warm_up(found: list[dict[str, Any]]) -> Figure:
    """Fresh servers, from the first prediction on; a line for each boot."""
    figure, panels = plt.subplots(1, len(found), figsize=(9, 3), sharey=True, squeeze=False)
    for axes, each in zip(panels[0], found, strict=True):
        for boot in each["boots"]:
            axes.plot(*np.transpose(boot), color=BLUE, linewidth=1)
        cut = int(np.median(each["cuts"]))
        axes.axvline(max(cut, 1), color=ORANGE, linestyle="--", linewidth=1.2, label=f"MSER-5 cuts at {cut} (median)")
        axes.set(title=f"{each['strategy']}: {len(each['boots'])} boots, one client", xlabel="number of the request")
        axes.set(xscale="log", yscale="log")
        axes.legend(loc="upper right")
    panels[0][0].set_ylabel("response time, ms")
    return figure


def main() -> None:
    """Draw all plots beside the numbers."""
    mpl.use("svg")
    found = json.loads((HERE / "measured.json").read_text())
    plots: tuple[Callable[[Any], Figure], ...] = (stall, arrivals, same, warm_up)
    with mpl.rc_context(STYLE):
        for plot in plots:
            name = plot.__name__.replace("_", "-")
            (HERE / f"{name}.svg").write_text(_svg(plot(found[plot.__name__])))


def _svg(figure: Figure) -> str:
    """As SVG, to a tenth of a point: what is finer is not seen, and is half of the file."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None}, facecolor="white")
    return re.sub(r"(\d\.\d)\d{3,}", r"\1", stream.getvalue())


if __name__ == "__main__":
    main()
