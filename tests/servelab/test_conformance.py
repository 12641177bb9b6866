"""The conformance kit must fail on broken servers: the right checks, no others, with a message that says why."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

import servelab
import shared_models
from servelab import conformance, strategy
from servelab.conformance import Report, Result
from servelab.errors import ConformanceError
from tests import folders

StandIn = Callable[..., Path]
Dialect = Literal["invocations", "seldon"]
STAND_IN = Path(__file__).with_name("conformance_stand_in.py")
ROUTES = """
[[also]]
protocol = "features"
route = "/predict"
models = ["iris"]
[[also]]
protocol = "image"
route = "/upload"
models = ["mnist"]
"""
# The fault, the model, which checks are run, and which of them must fail.
FAULTS = [
    ("wrong numbers", "iris", ["*"], {"answers/parity", "lifecycle/two-workers"}),
    ("500 on ragged rows", "iris", ["v1/*"], {"v1/ragged-rows"}),
    ("takes numeric strings", "iris", ["v1/*", "answers/*"], {"v1/numeric-string"}),
    ("hangs on a truncated body", "iris", ["v1/*", "body/over*", "body/truncated"], {"body/truncated"}),
    ("no limit", "iris", ["body/*"], {"body/over-limit", "body/over-limit-chunked"}),
    ("one client at a time", "iris", ["v1/*", "body/*"], {"body/stalled"}),
    ("405 without Allow", "iris", ["v1/*", "features/*"],
     {"v1/method-get", "v1/method-put", "v1/method-delete", "features/method-get"}),
    ("labels as floats", "iris", ["features/*"], {"features/all-goldens"}),
    ("drops what is in flight", "iris", ["load/*", "lifecycle/*"],
     {"lifecycle/stop-in-flight", "lifecycle/two-workers-stop-in-flight"}),
    ("takes images as they come", "mnist", ["image/*"], {"image/samples", "image/exif-rotated", "image/transparent"}),
]  # fmt: skip


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """A function that writes a strategy folder around the stand-in server, broken as told."""

    def write(fault: str = "", more: str = "") -> Path:
        server, env = STAND_IN.read_text("utf-8"), {"FAULT": fault}
        return folders.make(tmp_path, "stand-in", more=more + ROUTES, server=server, env=env)

    monkeypatch.setenv("SERVELAB_HOME", str(tmp_path / "home"))
    return write


def failures(report: Report) -> dict[str, str]:
    return {result.check: result.message for result in report.results if result.outcome == "fail"}


@pytest.mark.parametrize("model", ["iris", "mnist"])
def test_a_right_server_passes(stand_in: StandIn, model: str) -> None:
    report = conformance.run(stand_in(), model)
    assert report.ok, report.render()
    assert len({result.check for result in report.results}) == len(report.results)
    passed = {result.check for result in report.results if result.outcome == "pass"}
    route = "features/all-goldens" if model == "iris" else "image/samples"
    assert {"answers/parity", "body/stalled", "lifecycle/stop-in-flight", "pages/health", route} <= passed


@pytest.mark.parametrize(("fault", "model", "only", "expected"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_a_broken_server_fails(stand_in: StandIn, fault: str, model: str, only: list[str], expected: set[str]) -> None:
    report = conformance.run(stand_in(fault), model, only=only)
    assert failures(report).keys() == expected, report.render()
    assert not report.ok


@pytest.mark.parametrize(("dialect", "model"), [("invocations", "iris"), ("invocations", "mnist"), ("seldon", "mnist")])
def test_other_dialects_are_held_to_the_same_tables(stand_in: StandIn, dialect: Dialect, model: str) -> None:
    only = ["answers/*", f"{dialect}/*", "body/*", "load/*", "v1/*"]
    who = dataclasses.replace(strategy.load(stand_in("takes numeric strings")), protocol=dialect)
    report = conformance.run(who, model, only=only)
    assert failures(report).keys() == {f"{dialect}/numeric-string"}, report.render()
    asked = {result.check.partition("/")[2] for result in report.results if result.check.startswith(f"{dialect}/")}
    assert asked == {case.name for case in conformance.bad_input.cases(shared_models.load(model), "v1")}
    skipped = {result.check for result in report.results if result.outcome == "skip"}
    assert skipped == {f"{dialect}/{name}" for name in ("unknown-model", "longer-model-name", "unknown-verb")}


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("", set()),
        ("loses meta", {"seldon-message/meta-comes-back"}),
        ("answers a tensor by rows", {"seldon-message/kind-of-the-request"}),
    ],
)
def test_what_is_seldons_alone_is_checked(stand_in: StandIn, fault: str, expected: set[str]) -> None:
    who = dataclasses.replace(strategy.load(stand_in(fault)), protocol="seldon")
    report = conformance.run(who, only=["seldon-message/*"])
    assert failures(report).keys() == expected, report.render()


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("", set()),
        ("always one version", {"versions/each-answers-its-share"}),
        ("mixes versions in a batch", {"answers/parity"}),
    ],
)
def test_of_an_ab_test_any_version_may_answer_but_each_must(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, fault: str, expected: set[str]
) -> None:
    monkeypatch.setenv("VERSIONS", "1 2")
    who = dataclasses.replace(strategy.load(stand_in(fault)), versions=("1", "2"))
    report = conformance.run(who, "mnist", only=["answers/*", "versions/*", "v1/good", "v1/duplicate-keys"])
    assert failures(report).keys() == expected, report.render()


def test_a_version_that_nobody_named_is_wrong(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERSIONS", "1 2")
    found = failures(conformance.run(stand_in(), "mnist", only=["answers/*"]))
    assert "difference" in found["answers/parity"]


def test_html_errors_fail_every_refusal(stand_in: StandIn) -> None:
    report = conformance.run(stand_in("HTML errors"), only=["v1/*", "body/over*", "pages/*"])
    found = failures(report)
    assert {"v1/malformed-json", "v1/unknown-path", "v1/method-get", "body/over-limit"} <= found.keys()
    assert found.keys().isdisjoint({"v1/good", "v1/text-plain", "v1/duplicate-keys", "pages/health"})
    assert all("not HTML" in message for message in found.values())


def test_an_unread_body_is_found_on_the_same_connection(stand_in: StandIn) -> None:
    report = conformance.run(stand_in("leaves bodies unread"), only=["v1/*", "pages/health"])
    paths = {"unknown-model", "longer-model-name", "unknown-verb", "unknown-path", "unknown-path-escaped"}
    assert failures(report).keys() == {f"v1/{path}" for path in paths}
    assert all("on the same connection" in message for message in failures(report).values())


def test_a_failure_says_what_was_sent_what_came_back_and_what_was_expected(stand_in: StandIn) -> None:
    report = conformance.run(stand_in("500 on ragged rows"), only=["v1/ragged-rows"])
    message = failures(report)["v1/ragged-rows"]
    for part in (
        "POST /v1/models/iris:predict",
        "[5.1,3.5,1.4]]",
        "500 application/json",
        "ZeroDivision",
        "expected 4xx",
    ):
        assert part in message
    assert message.splitlines()[0] in report.render()


def test_docs_from_the_network_and_metrics_that_are_none_fail(stand_in: StandIn) -> None:
    report = conformance.run(stand_in(more='docs = "/docs"\nmetrics = "/metrics"'), only=["pages/*"])
    found = failures(report)
    assert found.keys() == {"pages/docs", "pages/metrics"}
    assert "https://cdn.invalid/ui.js" in found["pages/docs"]


def test_a_declared_deviation_is_no_failure(stand_in: StandIn) -> None:
    folder = stand_in(
        "500 on ragged rows", more='deviations = [{ check = "v1/ragged-rows", why = "the library cannot" }]'
    )
    report = conformance.run(folder, only=["v1/*row*"])
    assert report.ok, report.render()
    assert {r.check: r.outcome for r in report.results}["v1/ragged-rows"] == "deviation"
    assert "the library cannot" in report.render()


def test_a_needless_deviation_fails(stand_in: StandIn) -> None:
    report = conformance.run(stand_in(more='deviations = [{ check = "v1/nan", why = "once" }]'), only=["v1/nan"])
    assert "remove the deviation" in failures(report)["v1/nan"]


def test_a_deviation_for_an_unknown_check_fails(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformance.kit, "GROUPS", (conformance.bad_input, conformance.images))
    more = 'deviations = [{ check = "v1/typo", why = "" }, { check = "image/cmyk", why = "a check of mnist alone" }]'
    assert failures(conformance.run(stand_in(more=more))).keys() == {"v1/typo"}


def test_a_server_that_does_not_start_is_one_failure(stand_in: StandIn) -> None:
    folder = stand_in()
    (folder / "server.py").write_text("raise SystemExit('no licence')")
    report = conformance.run(folder, only=["answers/*", "v1/*"])
    assert failures(report).keys() == {"answers/parity"}
    assert "no licence" in failures(report)["answers/parity"]
    assert {result.outcome for result in report.results[1:]} == {"skip"}


def test_a_server_that_crashes_is_started_again(stand_in: StandIn) -> None:
    folder = stand_in()
    program = (folder / "server.py").read_text()
    signature = "def predict(_: Handler, body: bytes) -> Any:"
    assert signature in program
    (folder / "server.py").write_text(program.replace(signature, f"{signature}\n    b'NaN' in body and os._exit(1)"))
    report = conformance.run(folder, only=["v1/*"])
    assert failures(report).keys() == {"v1/nan"}, report.render()


def test_parity_names_strategy_difference_and_index(stand_in: StandIn) -> None:
    with servelab.serve(stand_in("wrong numbers")) as server:
        with pytest.raises(
            ConformanceError, match=r"stand-in .* largest difference is 0\.001 .* at index \d+"
        ) as error:
            conformance.parity(server)
        assert "all goldens in one batch" in str(error.value)


def test_a_brought_model_is_checked_too(stand_in: StandIn, tmp_path: Path) -> None:
    folder = tmp_path / "flowers"
    shutil.copytree(shared_models.load("iris").folder, folder)
    card = (folder / "card.json").read_text()
    (folder / "card.json").write_text(card.replace('"name": "iris"', '"name": "flowers"'))
    report = conformance.run(stand_in(), folder, only=["answers/*", "v1/*", "features/*", "pages/*"])
    assert report.ok, report.render()
    assert report.model == "flowers"


def test_progress_is_told_each_result(stand_in: StandIn) -> None:
    told: list[Result] = []
    report = conformance.run(stand_in(), only=["pages/*"], progress=told.append)
    assert tuple(told) == report.results


def test_a_report_without_a_pass_is_not_ok() -> None:
    assert not Report("x", "iris", 1, False, ()).ok
    assert not Report("x", "iris", 1, False, (Result("a", "skip", "why"),)).ok
    assert Report("x", "iris", 1, False, (Result("a", "pass"), Result("b", "deviation", "why"))).ok
