"""What is recommended: properties for any answers and figures, and situations whose answer is known."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, strategies as st

from servelab.choose import Answers, Figures, advise, rules, show
from servelab.choose.questions import NEEDS
from tests.servelab.choose.measured import (
    ARM,
    FEWER,
    NAMES,
    SOME,
    STRATEGIES,
    any_answers,
    any_figures,
    arms,
    figures,
)


@FEWER
@given(any_answers(), any_figures())
def test_every_strategy_is_recommended_or_ruled_out_and_told_why(answers: Answers, known: Figures) -> None:
    advice = advise(answers, STRATEGIES, known)
    assert sorted([*advice.names, *advice.ruled_out]) == sorted(NAMES)
    assert all(each.reasons and all(each.reasons) for each in advice.recommended)
    assert all(why and set(why) <= set(rules.RULES) and all(why.values()) for why in advice.ruled_out.values())
    assert advice.path


@FEWER
@given(any_answers(), any_figures())
def test_whatever_the_advice_is_it_can_be_shown(answers: Answers, known: Figures) -> None:
    advice = advise(answers, STRATEGIES, known)
    text = show.text(advice)
    assert all(name in text for name in NAMES)
    found = json.loads(json.dumps(show.to_dict(advice), allow_nan=False))
    assert [each["strategy"] for each in found["recommended"]] == list(advice.names)


STRICTER: dict[str, Callable[[Any], st.SearchStrategy[Any]]] = {
    "latency": lambda old: SOME if old is None else st.floats(1e-3, old),
    "rate": lambda old: st.floats(old, 1e7),
    "need": lambda old: st.sets(st.sampled_from(list(NEEDS))).map(lambda more: (*old, *sorted(more - set(old)))),
    "time": lambda old: st.sampled_from(rules.TIME[: rules.TIME.index(old) + 1]),
    "know": lambda old: st.sampled_from(rules.KNOW[: rules.KNOW.index(old) + 1]),
    "people": lambda old: st.integers(1, old),
    "cluster": lambda _: st.just("none"),
    "percentile": lambda old: st.sampled_from(["p50", "p90", "p95", "p99"][["p50", "p90", "p95", "p99"].index(old) :]),
}


@pytest.mark.parametrize("name", [*STRICTER, "budget"])
@FEWER
@given(data=st.data(), answers=any_answers(), known=any_figures())
def test_a_stricter_answer_never_adds_a_recommendation(
    name: str, data: st.DataObject, answers: Answers, known: Figures
) -> None:
    if name == "budget":
        assume(answers.price is not None)
        changed = replace(
            answers, budget=data.draw(SOME if answers.budget is None else st.floats(1e-9, answers.budget))
        )
    else:
        changed = replace(answers, **{name: data.draw(STRICTER[name](getattr(answers, name)))})
    if name == "percentile":
        known = Figures(1, tuple(replace(run, arms=tuple(map(_ordered, run.arms))) for run in known.runs))
    before, after = (set(advise(each, STRATEGIES, known).names) for each in (answers, changed))
    assert after <= before


def _ordered(arm: Any) -> Any:
    """Percentiles as they are: a higher one is no smaller, and unknown beyond an unknown one."""
    names, last = ("p50_ms", "p90_ms", "p95_ms", "p99_ms"), 0.0
    changed: dict[str, float | None] = {}
    for name in names:
        value = getattr(arm, name)
        if value is None:
            return replace(arm, **changed, **dict.fromkeys(names[len(changed) :]))
        last = changed[name] = max(last, value)
    return replace(arm, **changed)


@FEWER
@given(any_answers(), any_figures())
def test_whoever_is_recommended_keeps_every_bound(answers: Answers, known: Figures) -> None:
    assume(answers.when == "online")
    for each in advise(answers, STRATEGIES, known).recommended:
        if answers.latency is not None:
            assert each.case.response is not None
            assert each.case.response <= answers.latency
        if answers.budget is not None:
            assert each.scaled is not None
            assert (each.scaled.per_month or math.inf) <= answers.budget
        assert answers.cluster == "there" or each.case.strategy.tier < rules.CLUSTER
        assert set(answers.need) <= {need for need in NEEDS if rules.has(each.case.strategy, need, answers.model)}


@FEWER
@given(arms("flask"), SOME, SOME)
def test_more_requests_never_take_less(arm: Any, rate: float, more: float) -> None:
    less, most = (rules.scale(arm, 100.0, Answers(rate=r, price=0.05)) for r in (rate, min(1e9, rate + more)))
    if less is None or most is None:
        assert arm.capacity_per_s is None or arm.cpu_us is None
        return
    assert most.copies >= less.copies
    assert (most.per_month or 0) >= (less.per_month or 0)
    assert most.per_million == less.per_million
    assert less.each_per_s <= rules.BUSY * arm.capacity_per_s * (1 + 1e-9)


def test_a_copy_gets_two_fifths_of_its_capacity() -> None:
    scaled = rules.scale(ARM, 150.0, Answers(rate=2500.0, price=0.1))
    assert scaled is not None
    assert (scaled.copies, scaled.cores, scaled.beyond) == (3, 3, True)  # 3000/s x 0.4 = 1200/s each
    assert scaled.per_month == pytest.approx(3 * 730 * 0.1)
    assert scaled.per_million == pytest.approx(0.1 * 300 / 3600)  # 300 s of a core


def test_the_least_cpu_time_is_first_within_a_kind_and_an_own_server_before_a_library() -> None:
    known = figures(ARM, replace(ARM, name="fastapi", cpu_us=200.0), replace(ARM, name="bentoml", cpu_us=100.0))
    assert advise(Answers(), STRATEGIES, known).names == ("fastapi", "flask", "bentoml")


def test_who_has_days_and_never_ran_a_server_begins_with_a_library() -> None:
    known = figures(ARM, replace(ARM, name="bentoml", cpu_us=1000.0))
    advice = advise(Answers(time="days", know="python"), STRATEGIES, known)
    assert advice.names == ("bentoml", "flask")
    assert "a library first" in advice.recommended[0].reasons[0]


def test_a_bound_rules_out_who_breaks_it_and_who_was_not_measured() -> None:
    known = figures(ARM, replace(ARM, name="mlflow", p99_ms=5.001), replace(ARM, name="bentoml", p99_ms=None))
    advice = advise(Answers(latency=5.0), STRATEGIES, known)
    assert advice.names == ("flask",)
    assert advice.ruled_out["mlflow"] == {"latency": "its p99 was 5.001 ms at 150/s, and 5 ms are allowed"}
    assert "not known" in advice.ruled_out["bentoml"]["latency"]
    assert "not measured" in advice.ruled_out["fastapi"]["latency"]


def test_a_void_row_shows_nothing() -> None:
    void = replace(ARM, void=True, findings=("WRONG_ANSWER",), p99_ms=None, cpu_us=None, capacity_per_s=None)
    assert "void (WRONG_ANSWER)" in advise(Answers(), STRATEGIES, figures(void)).ruled_out["flask"]["latency"]
    bill = advise(Answers(latency=None, price=1.0, budget=1.0), STRATEGIES, figures(void)).ruled_out
    assert bill["flask"] == {"budget": "its row is void (WRONG_ANSWER), so nothing shows what it costs"}
    assert bill["fastapi"] == {"budget": "it was not measured with this model, so nothing shows what it costs"}
    unbound = advise(Answers(latency=None), STRATEGIES, figures(void))
    assert any("no figures" in reason for each in unbound.recommended for reason in each.reasons)


def test_without_any_figures_the_order_is_by_kind_and_says_so() -> None:
    advice = advise(Answers(latency=None), STRATEGIES, Figures(1, ()))
    assert advice.names[:2] == ("fastapi", "flask")
    assert "Nothing was measured" in advice.limits[0]


def test_batch_says_that_there_is_no_strategy_yet_and_what_the_plain_call_costs() -> None:
    advice = advise(Answers(when="batch", price=0.36), STRATEGIES, figures(ARM))
    assert advice.names == ()
    assert {tuple(why) for why in advice.ruled_out.values()} >= {("when",)}
    assert advice.path[0].startswith("Batch first")
    assert "no batch strategy here yet" in advice.missing[0]
    assert "10 µs" in advice.missing[0]
    assert "0.001 of your money" in advice.missing[0]  # 10 s of a core


def test_a_batch_strategy_would_be_found_by_its_folder() -> None:
    batch = replace(STRATEGIES[0], name="nightly", family="batch")
    advice = advise(Answers(when="batch", latency=None), [batch], Figures(1, ()))
    assert (advice.names, advice.missing) == (("nightly",), ())
    assert advise(Answers(latency=None), [batch], Figures(1, ())).ruled_out["nightly"].keys() == {"when"}


def test_a_need_that_nobody_has_is_said_to_be_missing() -> None:
    advice = advise(Answers(need=("multi-model",)), STRATEGIES, figures(ARM))
    assert advice.names == ()
    assert any("multi-model" in each for each in advice.missing)


def test_when_one_answer_stands_in_the_way_it_is_named() -> None:
    advice = advise(Answers(latency=1.0), STRATEGIES, figures(ARM))
    assert advice.names == ()
    assert advice.nearest["flask"] == "latency"
    assert "flask would fit with another answer to: latency, such as --latency any" in show.text(advice)


@FEWER
@given(any_answers(), any_figures())
def test_who_would_fit_with_another_answer_does(answers: Answers, known: Figures) -> None:
    for name, answer in advise(answers, STRATEGIES, known).nearest.items():
        assert name in advise(replace(answers, **{answer: rules.LOOSEST[answer]}), STRATEGIES, known).names


@pytest.mark.parametrize("change", [{"cluster": "none"}, {"people": 1}, {"know": "web"}, {"time": "weeks"},
                                    {"need": ("ab",)}, {"latency": 1.0}, {"price": 1.0, "budget": 1.0}])  # fmt: skip
def test_each_answer_that_stands_in_the_way_can_be_loosened(change: dict[str, Any]) -> None:
    cluster = [each for each in STRATEGIES if each.name == "seldon-minikube"]
    fitting = Answers(latency=None, know="platform", time="months", cluster="there")
    name, changed = [*change][-1], replace(fitting, **change)
    assert advise(changed, cluster, Figures(1, ())).nearest == {"seldon-minikube": name}
    loosened = replace(changed, **{name: rules.LOOSEST[name]})
    assert advise(loosened, cluster, Figures(1, ())).names == ("seldon-minikube",)


def test_what_a_case_is_about_is_not_changed_for_a_tools_sake() -> None:
    images = [replace(each, models=("mnist",)) for each in STRATEGIES]
    advice = advise(Answers(model="table", latency=None), images, Figures(1, ()))
    assert (advice.names, advice.nearest) == ((), {})


def test_equal_bills_are_said_of_each() -> None:
    known = figures(ARM, replace(ARM, name="fastapi", cpu_us=200.0))
    told = [reasons for _, reasons in show.new_reasons(advise(Answers(price=0.05, rate=2000.0), STRATEGIES, known))]
    for reasons in told:
        assert "2,000/s take 2 cores x 730 h x 0.05 = 73 a month" in reasons
        assert "for you a copy gets 1,000/s, where its p99 is not known" in reasons
    assert [sum("an own server first" in each for each in reasons) for reasons in told] == [1, 0]


def test_many_parts_are_too_many_only_where_fewer_would_do() -> None:
    for need, too_many in {("versions",): True, ("ab",): False}.items():
        found = {
            each.name: each for each in advise(Answers(latency=None, need=need), STRATEGIES, Figures(1, ())).recommended
        }
        assert any("more parts than" in each for each in found["seldon-ab"].reasons) == too_many


def test_what_ran_on_the_graph_runner_is_said_to_want_a_cluster() -> None:
    advice = advise(Answers(latency=None, know="platform", time="months", cluster="there"), STRATEGIES, figures(ARM))
    said = {each.name for each in advice.recommended if any("stand-in" in reason for reason in each.reasons)}
    assert said == {"seldon-ab", "kfp"}
    assert advice.path[-1].startswith("On your cluster")


def test_the_way_has_no_step_without_anybody() -> None:
    steps = advise(Answers(latency=None, need=("ab",)), STRATEGIES, Figures(1, ())).path
    assert [step.partition(":")[0] for step in steps[1:]] == ["For what you need"]
    assert "pipelines/README.md" in advise(Answers(when="batch", need=("pipeline",)), STRATEGIES, figures(ARM)).path[1]


def test_answers_without_effect_are_said_to_have_none() -> None:
    text = show.text(advise(Answers(when="batch", latency=5.0, rate=3.0), STRATEGIES, figures(ARM)), 1000)
    used, unused = text.splitlines()[:2]
    assert unused == "Without effect beside these: latency 5, rate 3"
    assert not any(name in used for name in ("latency", "percentile", "rate", "budget"))


@FEWER
@given(any_answers(), any_figures(), st.integers(50, 120))
def test_no_line_is_wider_than_the_terminal(answers: Answers, known: Figures, width: int) -> None:
    assert max(map(len, show.text(advise(answers, STRATEGIES, known), width).splitlines())) <= width


def test_ab_and_pipelines_are_found_by_their_contract() -> None:
    wanted = Answers(latency=None, know="platform", time="months")
    for need, name in {"ab": "seldon-ab", "pipeline": "kfp", "upload": "bentoml"}.items():
        assert name in advise(replace(wanted, need=(need,)), STRATEGIES, Figures(1, ())).names
    assert advise(replace(wanted, need=("upload",), model="table"), STRATEGIES, Figures(1, ())).names == ()


def test_a_cluster_wants_one_and_people() -> None:
    wanted = Answers(latency=None, know="platform", time="months", cluster="there")
    assert "seldon-minikube" in advise(wanted, STRATEGIES, Figures(1, ())).names
    for change in ({"cluster": "none"}, {"people": 1}, {"know": "web"}, {"time": "weeks"}):
        changed = replace(wanted, **change)
        assert [*change] == [*advise(changed, STRATEGIES, Figures(1, ())).ruled_out["seldon-minikube"]]


def test_archived_strategies_are_left_out_and_legacy_ones_come_last() -> None:
    flask = next(each for each in STRATEGIES if each.name == "flask")
    others = [replace(flask, name="gone", status="archived"), replace(flask, name="old", status="legacy"), flask]
    advice = advise(Answers(latency=None), others, Figures(1, ()))
    assert (advice.names, advice.ruled_out) == (("flask", "old"), {})
