"""A test for each rule of the executor's walk, named after it; and what holds for every graph."""

import asyncio
import dataclasses
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from itertools import count

import pytest
from hypothesis import given, settings, strategies as st

from servelab.graph import codec_json
from servelab.graph.manifest import Parameter, Predictor, Unit
from servelab.graph.walk import ROUTING_INJECTION, Message, Method, Walk, WalkError

INJECT = {ROUTING_INJECTION: "false"}  # any value but none
TYPES = ("MODEL", "TRANSFORMER", "OUTPUT_TRANSFORMER", "ROUTER", "COMBINER", "UNKNOWN_TYPE")


class Recorder:
    """Units that answer at once: a router as told, every other by adding its name to the trail of the message."""

    def __init__(self, routes: Mapping[str, object] | None = None) -> None:
        self.routes = routes or {}
        self.calls: list[tuple[str, str]] = []
        self.bodies: dict[tuple[str, str], bytes] = {}
        self.failing: dict[str, Exception] = {}
        self.before: Callable[[Unit], Awaitable[None]] | None = None

    async def __call__(self, unit: Unit, method: Method, message: Message) -> Message:
        self.calls.append((unit.name, str(method)))
        self.bodies[unit.name, str(method)] = message.body
        if self.before:
            await self.before(unit)
        if unit.name in self.failing:
            raise self.failing[unit.name]
        if method is Method.ROUTE:
            return say(self.routes.get(unit.name, {"data": {"ndarray": [[0]]}}))
        value = json.loads(message.body)
        heard = value if isinstance(value, list) else [value]
        trail = [*(step for each in heard for step in each.get("data", [])), unit.name]
        return say({"data": trail, "meta": {}})


def say(value: object) -> Message:
    return Message(json.dumps(value).encode(), "application/json")


def unit(
    name: str,
    kind: str,
    *children: Unit,
    methods: tuple[str, ...] = (),
    implementation: str = "UNKNOWN_IMPLEMENTATION",
    parameters: tuple[Parameter, ...] = (),
) -> Unit:
    return Unit(name, kind, implementation, methods, parameters, "", children, "", {})


def walk(graph: Unit, caller: Recorder, env: Mapping[str, str] | None = None, drawn: float = 0.0) -> Walk:
    predictor = Predictor("default", graph, 1, 100, False, env or {}, {}, {})
    return Walk(predictor, caller, codec_json, lambda: drawn)


def ask(
    graph: Unit, caller: Recorder, env: Mapping[str, str] | None = None, drawn: float = 0.0, message: object = None
) -> dict[str, object]:
    answer = asyncio.run(walk(graph, caller, env, drawn).predict(say(message or {"data": [], "meta": {}})))
    found: dict[str, object] = json.loads(answer.body)
    return found


def tell(graph: Unit, caller: Recorder, routing: Mapping[str, int] | None = None) -> bytes:
    feedback = {"request": {}, "response": {"meta": {"routing": routing or {}}}, "reward": 1.0}
    return asyncio.run(walk(graph, caller).feedback(say(feedback))).body


MODELS = (unit("a", "MODEL"), unit("b", "MODEL"))


def test_a_model_is_asked_to_predict() -> None:
    caller = Recorder()
    assert ask(unit("m", "MODEL"), caller)["data"] == ["m"]
    assert caller.calls == [("m", "predict")]


def test_a_transformer_is_asked_to_transform_the_input_before_its_children() -> None:
    caller = Recorder()
    assert ask(unit("t", "TRANSFORMER", MODELS[0]), caller)["data"] == ["t", "a"]
    assert caller.calls == [("t", "transform-input"), ("a", "predict")]


def test_the_method_transform_input_wins_over_predict() -> None:
    caller = Recorder()
    ask(unit("m", "MODEL", methods=("TRANSFORM_INPUT",)), caller)
    assert caller.calls == [("m", "transform-input")]


def test_a_unit_without_a_known_type_or_methods_passes_the_message_through() -> None:
    caller = Recorder()
    assert ask(unit("x", "ROUTR", *MODELS), caller)["data"] == ["a"]  # and so asks all children, as the executor does
    assert Counter(caller.calls) == {("a", "predict"): 1, ("b", "predict"): 1}


def test_a_model_with_children_is_a_chain() -> None:
    assert ask(unit("m", "MODEL", MODELS[0]), Recorder())["data"] == ["m", "a"]


def test_an_output_transformer_is_asked_after_its_children() -> None:
    caller = Recorder()
    assert ask(unit("o", "OUTPUT_TRANSFORMER", MODELS[0]), caller)["data"] == ["a", "o"]
    assert caller.calls == [("a", "predict"), ("o", "transform-output")]


@pytest.mark.parametrize(
    ("method", "calls"),
    [
        ("TRANSFORM_OUTPUT", [("a", "predict"), ("x", "transform-output")]),
        ("ROUTE", [("x", "route"), ("a", "predict")]),
        ("AGGREGATE", [("a", "predict"), ("x", "aggregate")]),
    ],
)
def test_methods_ask_for_what_a_type_would(method: str, calls: list[tuple[str, str]]) -> None:
    caller = Recorder()
    ask(unit("x", "UNKNOWN_TYPE", MODELS[0], methods=(method,)), caller)
    assert caller.calls == calls


def test_a_router_without_children_is_not_asked() -> None:
    caller = Recorder()
    ask(unit("r", "ROUTER"), caller)
    assert caller.calls == []


@pytest.mark.parametrize("route", [0, 1])
def test_route_n_asks_child_n_alone(route: int) -> None:
    caller = Recorder({"r": {"data": {"ndarray": [[route]]}}})
    found = ask(unit("r", "ROUTER", *MODELS), caller, INJECT)
    chosen = MODELS[route].name
    assert found["data"] == [chosen]
    assert found["meta"] == {"routing": {"r": route, chosen: -1}}
    assert caller.calls == [("r", "route"), (chosen, "predict")]


def test_route_minus_1_asks_all_children_and_answers_with_the_first() -> None:
    caller = Recorder({"r": {"data": {"ndarray": [[-1]]}}})
    found = ask(unit("r", "ROUTER", *MODELS), caller, INJECT)
    assert found["data"] == ["a"]
    assert found["meta"] == {"routing": {"r": -1, "a": -1, "b": -1}}


def test_route_minus_2_returns_the_message_without_aggregate_but_transforms_the_output() -> None:
    caller = Recorder({"r": {"data": {"ndarray": [[-2]]}}})
    graph = unit("r", "ROUTER", *MODELS, methods=("AGGREGATE", "TRANSFORM_OUTPUT"))
    found = ask(graph, caller, INJECT)
    assert caller.calls == [("r", "route"), ("r", "transform-output")]
    assert found["meta"] == {"routing": {"r": -2}}


@pytest.mark.parametrize("route", [2, -3, 99])
def test_a_route_that_names_no_child_is_an_error_where_the_executor_panics(route: int) -> None:
    with pytest.raises(WalkError, match=rf"^r: expected its answer to name one of its 2 children.*found {route}$"):
        ask(unit("r", "ROUTER", *MODELS), Recorder({"r": {"data": {"ndarray": [[route]]}}}))


def test_a_router_gets_the_message_that_its_child_will_get() -> None:
    caller = Recorder()
    ask(unit("t", "TRANSFORMER", unit("r", "ROUTER", *MODELS)), caller)
    assert caller.bodies["r", "route"] == caller.bodies["a", "predict"]


@pytest.mark.parametrize(
    ("parameters", "drawn", "chosen"),
    [
        ((), 0.49, "a"),
        ((), 0.5, "b"),
        ((Parameter("ratioA", "0.9", "FLOAT"),), 0.89, "a"),
        ((Parameter("ratioA", "0.9", "FLOAT"),), 0.9, "b"),
        ((Parameter("ratioA", "0.9", "FLOAT"), Parameter("other", "1", "INT")), 0.6, "b"),  # not its only parameter
        ((Parameter("ratio", "0.9", "FLOAT"),), 0.6, "b"),
    ],
)
def test_random_abtest_sends_ratio_a_to_the_first_child(
    parameters: tuple[Parameter, ...], drawn: float, chosen: str
) -> None:
    graph = unit("ab", "UNKNOWN_TYPE", *MODELS, implementation="RANDOM_ABTEST", parameters=parameters)
    caller = Recorder()
    assert ask(graph, caller, drawn=drawn)["data"] == [chosen]
    assert caller.calls == [(chosen, "predict")]  # no container is asked


def test_a_ratio_a_that_is_no_number_is_an_error() -> None:
    graph = unit("ab", "x", *MODELS, implementation="RANDOM_ABTEST", parameters=(Parameter("ratioA", "half", "FLOAT"),))
    with pytest.raises(WalkError, match="ab: expected the parameter ratioA to be a number; found 'half'"):
        ask(graph, Recorder())


def test_a_router_wins_over_random_abtest() -> None:
    caller = Recorder({"r": {"data": {"ndarray": [[1]]}}})
    ask(unit("r", "ROUTER", *MODELS, implementation="RANDOM_ABTEST"), caller)
    assert caller.calls == [("r", "route"), ("b", "predict")]


def test_a_combiner_gets_a_json_array_of_the_raw_answers_in_the_children_s_order() -> None:
    caller = Recorder()
    found = ask(unit("c", "COMBINER", *MODELS), caller, INJECT)
    first, second = json.loads(caller.bodies["c", "aggregate"])
    assert (first["data"], second["data"]) == (["a"], ["b"])
    assert found == {"data": ["a", "b", "c"], "meta": {"routing": {"c": -1, "a": -1, "b": -1}}}


def test_a_combiner_above_a_router_s_choice_still_gets_an_array() -> None:
    caller = Recorder({"r": {"data": {"ndarray": [[1]]}}})
    ask(unit("r", "ROUTER", *MODELS, methods=("AGGREGATE",)), caller)
    assert [each["data"] for each in json.loads(caller.bodies["r", "aggregate"])] == [["b"]]


def test_a_combiner_whose_child_answers_no_json_is_an_error() -> None:
    caller = Recorder()

    class Binary(Recorder):
        async def __call__(self, unit: Unit, method: Method, message: Message) -> Message:
            await caller(unit, method, message)
            return Message(b"\x00")

    with pytest.raises(WalkError, match="expected a child's answer to a combiner to be JSON"):
        ask(unit("c", "COMBINER", *MODELS), Binary())
    assert ("c", "aggregate") not in caller.calls


def test_children_are_asked_in_parallel() -> None:
    caller = Recorder()
    here: list[str] = []
    together = asyncio.Event()

    async def meet(unit: Unit) -> None:
        here.append(unit.name)
        if len(here) == 2:
            together.set()
        await together.wait()  # for ever, if the second waited for the first

    caller.before = meet
    ask(unit("x", "UNKNOWN_TYPE", *MODELS), caller)
    assert here == ["a", "b"]


def test_the_first_error_in_child_order_wins_and_every_child_was_asked() -> None:
    caller = Recorder()
    caller.failing = {"a": RuntimeError("of a"), "b": RuntimeError("of b")}
    ends = {"a": 0.02, "b": 0.0}  # that of b comes first in time

    async def wait(unit: Unit) -> None:
        await asyncio.sleep(ends[unit.name])

    caller.before = wait
    with pytest.raises(RuntimeError, match="of a"):
        ask(unit("x", "UNKNOWN_TYPE", *MODELS), caller)
    assert sorted(caller.calls) == [("a", "predict"), ("b", "predict")]


@pytest.mark.parametrize(
    "failing", [("t", "transform-input"), ("r", "route"), ("b", "predict"), ("o", "transform-output")]
)
def test_an_error_ends_the_walk_there(failing: tuple[str, str]) -> None:
    graph = unit("t", "TRANSFORMER", unit("o", "OUTPUT_TRANSFORMER", unit("r", "ROUTER", *MODELS)))
    caller = Recorder({"r": {"data": {"ndarray": [[1]]}}})
    caller.failing = {failing[0]: RuntimeError("no")}
    with pytest.raises(RuntimeError, match="no"):
        ask(graph, caller, INJECT)  # the output transformer's too, which the executor makes a 200
    assert caller.calls[-1] == failing


def test_without_routing_injection_the_bytes_pass_through() -> None:
    class Mangled(Recorder):
        async def __call__(self, unit: Unit, method: Method, message: Message) -> Message:  # noqa: ARG002
            return Message(b'{ "meta":{ }, "a":1.0e0}', "text/x", "gzip")

    for env in ({}, {ROUTING_INJECTION: ""}):
        answer = asyncio.run(walk(unit("m", "MODEL"), Mangled(), env).predict(Message(b"not even JSON")))
        assert answer == Message(b'{ "meta":{ }, "a":1.0e0}', "text/x", "gzip")


def test_routing_injection_is_complete_in_the_outermost_answer() -> None:
    graph = unit(
        "scaler", "TRANSFORMER", unit("ab-router", "ROUTER", unit("model-a", "MODEL"), unit("model-b", "MODEL"))
    )
    found = ask(graph, Recorder({"ab-router": {"data": {"ndarray": [[1]]}}}), INJECT)
    assert found["meta"] == {"routing": {"scaler": -1, "ab-router": 1, "model-b": -1}}


@pytest.mark.parametrize("parent", ["COMBINER", "OUTPUT_TRANSFORMER"])
def test_routing_injection_is_done_after_every_node_that_another_reads(parent: str) -> None:
    caller = Recorder()
    ask(unit("p", parent, unit("x", "UNKNOWN_TYPE", MODELS[0])), caller, INJECT)
    method = "aggregate" if parent == "COMBINER" else "transform-output"
    heard = json.loads(caller.bodies["p", method])
    heard = heard[0] if isinstance(heard, list) else heard
    assert heard["meta"]["routing"] == {"x": -1, "a": -1}


def test_feedback_hears_the_children_first_and_answers_with_the_root_s_answer() -> None:
    caller = Recorder()
    answer = tell(unit("r", "ROUTER", *MODELS), caller, {"r": 1})
    assert caller.calls == [("b", "send-feedback"), ("r", "send-feedback")]
    assert json.loads(answer)["data"] == ["r"]


def test_feedback_without_routing_goes_to_all_children_where_nothing_is_drawn() -> None:
    caller = Recorder()
    tell(unit("c", "COMBINER", *MODELS), caller, {"another": 1})
    assert caller.calls == [("a", "send-feedback"), ("b", "send-feedback")]


@pytest.mark.parametrize("router", [{"kind": "ROUTER"}, {"implementation": "RANDOM_ABTEST"}])
def test_feedback_without_routing_is_refused_where_a_child_was_drawn(router: dict[str, str]) -> None:
    caller = Recorder()
    graph = unit("r", router.get("kind", "UNKNOWN_TYPE"), *MODELS)
    graph = dataclasses.replace(graph, implementation=router.get("implementation", graph.implementation))
    with pytest.raises(WalkError, match=r"r: expected response\.meta\.routing to say which") as caught:
        tell(graph, caller, {"another": 1})
    assert caught.value.client
    assert caller.calls == []


def test_feedback_that_cannot_be_read_goes_to_all_children() -> None:
    caller = Recorder()
    graph = unit("x", "UNKNOWN_TYPE", *MODELS)
    assert asyncio.run(walk(graph, caller).feedback(Message(b'{"unknown": 1}'))).body == b'{"unknown": 1}'
    assert caller.calls == [("a", "send-feedback"), ("b", "send-feedback")]


@pytest.mark.parametrize("kind", ["TRANSFORMER", "OUTPUT_TRANSFORMER", "COMBINER", "UNKNOWN_TYPE"])
def test_feedback_is_echoed_by_a_root_that_hears_none(kind: str) -> None:
    caller = Recorder()
    answer = tell(unit("t", kind, MODELS[0]), caller)
    assert json.loads(answer)["reward"] == 1.0
    assert caller.calls == [("a", "send-feedback")]


def test_the_method_send_feedback_makes_any_unit_hear_it() -> None:
    caller = Recorder()
    tell(unit("t", "TRANSFORMER", MODELS[0], methods=("SEND_FEEDBACK",)), caller)
    assert caller.calls == [("a", "send-feedback"), ("t", "send-feedback")]


def test_the_feedback_to_an_answer_of_no_child_is_heard_by_the_router_alone() -> None:
    caller = Recorder()
    tell(unit("r", "ROUTER", *MODELS), caller, {"r": -2})
    assert caller.calls == [("r", "send-feedback")]


@pytest.mark.parametrize("route", [2, -3])
def test_a_feedback_s_route_that_names_no_child_is_the_client_s_error(route: int) -> None:
    caller = Recorder()
    with pytest.raises(WalkError, match=r"r: expected the feedback's response\.meta\.routing to name") as caught:
        tell(unit("r", "ROUTER", *MODELS), caller, {"r": route})
    assert caught.value.client
    assert caller.calls == []


def test_a_route_that_is_missing_below_a_parallel_branch_is_refused_before_anyone_is_credited() -> None:
    router = unit("r", "ROUTER", unit("b", "MODEL"), unit("c", "MODEL"))
    graph, caller = unit("all", "COMBINER", unit("a", "MODEL"), router), Recorder()
    with pytest.raises(WalkError, match=r"r: expected response\.meta\.routing"):
        tell(graph, caller)
    assert caller.calls == []


def test_an_error_among_the_children_keeps_the_feedback_from_their_parent() -> None:
    caller = Recorder()
    caller.failing = {"a": RuntimeError("of a")}
    with pytest.raises(RuntimeError, match="of a"):
        tell(unit("r", "ROUTER", *MODELS), caller, {"r": -1})
    assert ("r", "send-feedback") not in caller.calls


@st.composite
def graphs(draw: st.DrawFn) -> Unit:
    number = count()

    def grow(depth: int) -> Unit:
        children = [grow(depth - 1) for _ in range(draw(st.integers(0, 3)))] if depth else []
        return unit(f"u{next(number)}", draw(st.sampled_from(TYPES)), *children)

    return grow(3)


ROUTES = st.dictionaries(st.sampled_from([f"u{n}" for n in range(20)]), st.integers(-2, 3))


def _routers(graph: Unit, routes: Mapping[str, int]) -> dict[str, object]:
    """What the routers of the graph answer: these routes, but none beyond a last child."""
    sizes = {each.name: len(each.children) for each in graph.units()}
    return {name: {"data": {"ndarray": [[min(route, sizes.get(name, 0) - 1)]]}} for name, route in routes.items()}


@settings(deadline=None)
@given(graphs(), ROUTES)
def test_in_every_graph_a_unit_does_each_thing_once_and_the_routing_is_complete(
    graph: Unit, routes: dict[str, int]
) -> None:
    sizes = {each.name: len(each.children) for each in graph.units()}
    routes = {name: min(route, sizes.get(name, 0) - 1) for name, route in routes.items()}
    caller = Recorder(_routers(graph, routes))
    on_the_way = walk(graph, caller, INJECT)
    answer = json.loads(asyncio.run(on_the_way.predict(say({"data": [], "meta": {}}))).body)
    assert max(Counter(caller.calls).values(), default=1) == 1
    asked = {name for name, method in caller.calls if method in ("predict", "transform-input", "aggregate")}
    asked |= {name for name, _ in caller.calls if sizes[name]}
    assert asked <= set(on_the_way.routing)
    assert answer["meta"]["routing"] == on_the_way.routing
    for name, route in on_the_way.routing.items():
        assert route == (routes.get(name, 0) if (name, "route") in caller.calls else -1)


@settings(deadline=None)
@given(graphs(), ROUTES)
def test_in_every_graph_the_feedback_of_an_answer_is_heard_where_the_request_went(
    graph: Unit, routes: dict[str, int]
) -> None:
    caller = Recorder(_routers(graph, routes))
    on_the_way = walk(graph, caller, INJECT)
    asyncio.run(on_the_way.predict(say({"data": [], "meta": {}})))
    went = {name for name, method in caller.calls if method in ("predict", "route")}
    heard = Recorder()
    tell(graph, heard, on_the_way.routing)
    assert {method for _, method in heard.calls} <= {"send-feedback"}
    assert max(Counter(heard.calls).values(), default=1) == 1
    hears = {each.name for each in graph.units() if each.type in ("MODEL", "ROUTER")}
    # A router without children is told, but is asked nothing.
    asked_nothing = {each.name for each in graph.units() if each.type == "ROUTER" and not each.children}
    assert {name for name, _ in heard.calls} - asked_nothing == went & hears
