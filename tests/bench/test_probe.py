"""`bench probe` against servers that run already: one that is fit, and each way of being unfit."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import servelab
from bench import probe
from bench.errors import BenchError
from bench.probe import Probe
from servelab.errors import AddressError
from tests import folders

BENCH = Path(sys.executable).with_name("bench")
# Every fifth answer is a 503, or another label than the model's; the others are right.
FAILING = """
count = 0
right = predict
def predict(instances):
    global count
    count += 1
    return right(instances) if count % 5 else FAULT
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servelab.Server]:
    with servelab.serve(folders.make(tmp_path_factory.mktemp("strategies")), "iris") as running:
        yield running


def bench(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(BENCH), "probe", *map(str, words)], capture_output=True, text=True, check=False)


def test_a_fit_server(server: servelab.Server, tmp_path: Path) -> None:
    done = bench(server.url, "--model", "iris", "--seconds", 2, "--rate", 200, "--p99", 60_000,
                 "--output", tmp_path / "new" / "probe.json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{server.url} at 200/s: service time p50 ")
    found = json.loads((tmp_path / "new" / "probe.json").read_text())
    assert found["requests"] > 299
    assert 0 < found["service"]["p50"] <= found["service"]["p95"] <= found["service"]["p99"]
    assert found["response"]["p50"] >= found["service"]["p50"]
    assert (found["errors"], found["wrong"], found["unfit"], found["compared"]) == ({}, "", [], 100)
    assert (found["url"], found["model"], found["rate"], found["p99"]) == (server.url, "iris", 200, 60_000)


def test_a_bound_that_is_broken_is_told_with_what_was_found(server: servelab.Server) -> None:
    done = bench(server.url, "--model", "iris", "--seconds", 2, "--rate", 200, "--p99", 0.001)
    assert done.returncode == probe.UNFIT
    assert "UNFIT: p99 " in done.stdout
    assert "expected at most 0.001 ms" in done.stdout


def test_a_closed_loop_of_clients(server: servelab.Server) -> None:
    found = probe.run(Probe(server.url, "v1", "iris", seconds=0.5, concurrency=2))
    assert found.unfit == ()
    assert found.requests > 4
    assert found.compared


def test_the_url_of_its_predictions_will_do(server: servelab.Server) -> None:
    url = f"{server.url}/v1/models/iris:predict"
    assert probe.run(Probe(url, "v1", "iris", seconds=0.5, rate=50)).unfit == ()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("[[1.0, 0.0, 0.0]]", "a wrong answer, request "), ('{}["missing"]', "requests: status")],
    ids=["wrong", "errors"],
)
def test_a_server_that_fails_now_and_then_is_unfit(tmp_path: Path, fault: str, reason: str) -> None:
    with servelab.serve(folders.make(tmp_path, hook=FAILING.replace("FAULT", fault)), "iris") as failing:
        found = probe.run(Probe(failing.url, "v1", "iris", seconds=1, rate=100))
    assert len(found.unfit) == 1
    assert reason in found.unfit[0]


def test_another_models_server_is_refused_before_any_load(server: servelab.Server) -> None:
    with pytest.raises(BenchError, match="refused to load a server that gives no prediction"):
        probe.run(Probe(server.url, "v1", "mnist"))


@pytest.mark.parametrize(
    ("url", "more", "error", "message"),
    [
        ("http://127.0.0.1:1", {}, BenchError, "gave no answer"),
        ("https://127.0.0.1:1", {}, BenchError, "speaks no TLS: expected an http:// URL"),
        ("localhost", {}, AddressError, "expected a URL such as"),
        ("http://[::1", {}, AddressError, "expected a URL such as"),
        ("{url}", {"p99": 5.0, "seconds": 1.0, "rate": 10.0}, BenchError, r"expected 299 or more; raise --seconds"),
    ],
)
def test_what_cannot_be_measured(
    server: servelab.Server, url: str, more: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        probe.run(Probe(url.format(url=server.url), "v1", "iris", **more))
