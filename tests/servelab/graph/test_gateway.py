"""The gateway over HTTP: a test for each of the executor's rules, and for each way in which others fail.

The components are small real servers: what they received, and how they end, must be seen.
"""

import asyncio
import contextlib
import gzip
import html
import json
import re
import socket
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from aiohttp import web

from servelab.graph.gateway import http_body, http_caller, http_reply, shadows
from servelab.graph.gateway.gateway import Gateway
from tests.servelab.graph.serving import (
    INJECTING,
    JSON,
    PREDICTIONS,
    ROW,
    Component,
    Reply,
    Serving,
    deployment,
    echo,
    node,
    predictor,
    saying,
    serving,
)

AB = "/seldon/test/ab"
FEEDBACK = "/api/v1.0/feedback"
CHAIN = node("t", "TRANSFORMER", node("m"))


@pytest.fixture(scope="module")
def module_serving() -> Iterator[Serving]:
    with serving() as found:
        yield found


@pytest.fixture
def served(module_serving: Serving) -> Iterator[Serving]:
    """A gateway without deployments."""
    module_serving.drawn = 0.0
    yield module_serving
    for live in module_serving.gateway.all():
        module_serving.gateway.remove(live.deployment.namespace, live.deployment.name)


def model(served: Serving, component: Component, **annotations: str) -> None:
    names = {name.replace("_", "-"): value for name, value in annotations.items()}
    annotations = {f"seldon.io/{name}": value for name, value in names.items()}
    served.put(deployment(predictor(node("m")), annotations=annotations), {"m": component})


def info(reply: Reply, status: int) -> str:
    """What an error of the gateway's own says."""
    found = json.loads(reply.body)
    assert reply.status == status
    assert found["status"].keys() == {"code", "info", "status"}
    assert (found["status"]["code"], found["status"]["status"]) == (status, "FAILURE")
    assert "Traceback" not in found["status"]["info"]
    return str(found["status"]["info"])


def test_bytes_pass_through_undecoded(served: Serving) -> None:
    component = served.component()
    model(served, component)
    body = b'\x00 no JSON, { "a" :1.0e0 }'
    reply = served.ask(AB + PREDICTIONS, body, {"Content-Type": "x/y"})
    assert (reply.status, reply.body) == (200, body)
    assert (component.calls[0].body, component.calls[0].headers["Content-Type"]) == (body, "x/y")
    assert component.calls[0].path == "/predict"


@pytest.mark.parametrize("version", ["v0.1", "v1.0"])
@pytest.mark.parametrize(("route", "path"), [("predictions", "/predict"), ("feedback", "/send-feedback")])
def test_both_versions_of_the_api_are_served(served: Serving, version: str, route: str, path: str) -> None:
    component = served.component()
    model(served, component)
    assert served.ask(f"{AB}/api/{version}/{route}", ROW).status == 200
    assert component.calls[0].path == path


def test_content_type_and_encoding_travel_with_their_payload(served: Serving) -> None:
    packed = gzip.compress(b"<packed>")

    def pack(*_: object) -> web.Response:
        return web.Response(body=packed, headers={"Content-Type": "a/b", "Content-Encoding": "gzip"})

    first, second = served.component(), served.component(pack)
    served.put(deployment(predictor(CHAIN)), {"t": first, "m": second})
    sent = gzip.compress(ROW)
    reply = served.ask(AB + PREDICTIONS, sent, {**JSON, "Content-Encoding": "gzip"})
    assert first.calls[0].body == sent
    assert first.calls[0].headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in second.calls[0].headers  # the echo's answer had none
    assert (reply.headers["content-type"], reply.headers["content-encoding"]) == ("a/b", "gzip")
    assert reply.body == packed


def test_a_request_without_content_type_gets_none(served: Serving) -> None:
    component = served.component()
    model(served, component)
    assert served.ask(AB + PREDICTIONS, ROW, {}).status == 200
    assert "Content-Type" not in component.calls[0].headers


def test_headers_are_forwarded_to_every_node_but_those_of_the_connection(served: Serving) -> None:
    first, second = served.component(), served.component()
    served.put(deployment(predictor(CHAIN)), {"t": first, "m": second})
    sent = {**JSON, "X-Own": "1", "User-Agent": "me", "TE": "trailers", "Connection": "close", "Cookie": "a=b"}
    served.ask(AB + PREDICTIONS, ROW, sent)
    for component in (first, second):
        headers = component.calls[0].headers
        assert (headers["X-Own"], headers["User-Agent"], headers["Cookie"]) == ("1", "me", "a=b")
        assert not {"TE", "Connection"} & headers.keys()
        assert headers["Host"] == f"127.0.0.1:{component.hold.number}"


def test_seldon_puid_is_made_when_missing_and_goes_to_every_node_and_back(served: Serving) -> None:
    first, second = served.component(), served.component()
    served.put(deployment(predictor(CHAIN)), {"t": first, "m": second})
    found = served.ask(AB + PREDICTIONS, ROW).headers["seldon-puid"]
    assert uuid.UUID(found).version == 4
    assert {component.calls[0].headers["Seldon-Puid"] for component in (first, second)} == {found}
    assert served.ask(AB + PREDICTIONS, ROW, {**JSON, "Seldon-Puid": "mine"}).headers["seldon-puid"] == "mine"
    assert second.calls[1].headers["Seldon-Puid"] == "mine"


def test_answers_carry_nosniff_and_cors(served: Serving) -> None:
    model(served, served.component())
    for reply in (served.ask(AB + PREDICTIONS, ROW), served.ask(AB + PREDICTIONS, None, {}, "OPTIONS")):
        assert reply.status == 200
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["access-control-allow-origin"] == "*"
        assert reply.headers["access-control-allow-methods"] == "GET, OPTIONS, POST"


def test_a_component_s_error_is_passed_on_as_text_with_its_status_and_body(served: Serving) -> None:
    first, second = served.component(saying(b'{"status": "<own>"}', 418)), served.component()
    served.put(deployment(predictor(CHAIN)), {"t": first, "m": second})
    reply = served.ask(AB + PREDICTIONS, ROW)
    assert (reply.status, reply.body) == (418, rb'{"status": "\u003cown\u003e"}')
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert second.calls == []


@pytest.mark.parametrize("status", [201, 204, 302])
def test_any_other_status_than_200_is_an_error_and_no_redirect_is_followed(served: Serving, status: int) -> None:
    def answer(*_: object) -> web.Response:
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    component = served.component(answer)
    model(served, component)
    assert served.ask(AB + PREDICTIONS, ROW).status == status
    assert len(component.calls) == 1


def test_signs_of_html_are_escaped_in_answers_and_not_between_nodes(served: Serving) -> None:
    component = served.component()
    model(served, component)
    assert served.ask(AB + PREDICTIONS, b'{"strData": "<a>&"}').body == rb'{"strData": "\u003ca\u003e\u0026"}'
    assert component.calls[0].body == b'{"strData": "<a>&"}'


def test_the_walk_of_an_a_b_test_with_routing_injection(served: Serving) -> None:
    answer = b'{"meta": {"requestPath": {"b": "x:1"}}, "data": {"ndarray": [[0.5]]}}'
    parts = {"t": served.component(), "r": served.component(saying(b'{"data": {"ndarray": [[1]]}}'))}
    parts |= {"a": served.component(), "b": served.component(saying(answer))}
    graph = node("t", "TRANSFORMER", node("r", "ROUTER", node("a"), node("b")))
    served.put(deployment(predictor(graph, **INJECTING)), parts)
    reply = served.ask(AB + PREDICTIONS, ROW)
    routing = {"t": -1, "r": 1, "b": -1}
    assert json.loads(reply.body) == {
        "data": {"ndarray": [[0.5]]},
        "meta": {"requestPath": {"b": "x:1"}, "routing": routing},
    }
    assert parts["a"].calls == []
    feedback = json.dumps({"response": {"meta": {"routing": routing}}, "reward": 1.0}).encode()
    assert served.ask(AB + FEEDBACK, feedback).body == feedback  # the root, a transformer, hears none
    assert [call.path for call in parts["b"].calls] == ["/predict", "/send-feedback"]
    assert [call.path for call in parts["r"].calls] == ["/route", "/send-feedback"]
    assert parts["a"].calls == []


def test_a_combiner_gets_an_array(served: Serving) -> None:
    parts = {name: served.component() for name in "cab"}
    served.put(deployment(predictor(node("c", "COMBINER", node("a"), node("b")))), parts)
    assert json.loads(served.ask(AB + PREDICTIONS, ROW).body) == [json.loads(ROW)] * 2
    assert parts["c"].calls[0].path == "/aggregate"


@pytest.mark.parametrize("answer", [b'{"data": {"ndarray": [[7]]}}', b'{"strData": "x"}', b"no JSON", b"[" * 10_000])
def test_a_route_that_is_none_is_an_error_of_that_request_alone(served: Serving, answer: bytes) -> None:
    router = served.component(saying(answer))
    parts = {"r": router, "a": served.component(), "b": served.component()}
    served.put(deployment(predictor(node("r", "ROUTER", node("a"), node("b")))), parts)
    assert "expected" in info(served.ask(AB + PREDICTIONS, ROW), 500)
    router.answer = saying(b"[1]")
    assert served.ask(AB + PREDICTIONS, ROW).status == 200


def test_a_feedback_whose_route_names_no_child_is_refused(served: Serving) -> None:
    parts = {"r": served.component(), "a": served.component()}
    served.put(deployment(predictor(node("r", "ROUTER", node("a")))), parts)
    feedback = b'{"response": {"meta": {"routing": {"r": 5}}}}'
    assert "found 5" in info(served.ask(AB + FEEDBACK, feedback), 400)


def test_a_component_that_is_being_restarted_is_waited_for(served: Serving) -> None:
    component = served.component(up=False)
    model(served, component)
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(served.ask, AB + PREDICTIONS, ROW) for _ in range(4)]
        time.sleep(0.3)
        served.run(component.start())
        assert [reply.result().status for reply in asked] == [200] * 4
    assert len(component.calls) == 4


def test_a_component_that_does_not_come_back_is_an_error_within_the_deadline(served: Serving) -> None:
    model(served, served.component(up=False), rest_timeout="300")
    began = time.monotonic()
    assert re.match(r"m: expected an answer .*no connection for 0\.3 s", info(served.ask(AB + PREDICTIONS, ROW), 500))
    assert 0.2 < time.monotonic() - began < 10


def test_a_request_that_was_sent_and_broke_off_is_an_error_and_is_not_sent_again(served: Serving) -> None:
    def hang_up(request: web.Request, _: bytes) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    component = served.component()
    model(served, component)
    served.ask(AB + PREDICTIONS, ROW)  # so that a kept-alive connection is used
    component.answer = hang_up
    assert "m: expected an answer" in (text := info(served.ask(AB + PREDICTIONS, ROW), 500))
    assert "broke off" in text
    assert len(component.calls) == 2
    component.answer = echo
    assert served.ask(AB + PREDICTIONS, ROW).status == 200


def test_an_answer_that_breaks_off_is_an_error(served: Serving) -> None:
    async def half(request: web.Request, _: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.close()
        return response

    model(served, served.component(half))
    assert "broke off" in info(served.ask(AB + PREDICTIONS, ROW), 500)


def test_a_component_that_speaks_no_http_is_an_error(served: Serving) -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"SSH-2.0-x\r\n\r\n")
        writer.close()

    async def start() -> asyncio.Server:
        return await asyncio.start_server(nonsense, "127.0.0.1", component.hold.number)

    component = served.component(up=False)
    server = served.run(start())
    model(served, component)
    assert "m: expected an answer" in info(served.ask(AB + PREDICTIONS, ROW), 500)
    served.loop.call_soon_threadsafe(server.close)


def test_the_annotation_rest_timeout_bounds_a_component_that_hangs_and_the_rest_keeps_serving(served: Serving) -> None:
    never = asyncio.Event()

    async def hang(*_: object) -> web.Response:
        await never.wait()
        return web.Response()

    model(served, served.component(hang), rest_timeout="500")
    other = deployment(predictor(node("m")), name="other")
    served.put(other, {"m": served.component()})
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(served.ask, AB + PREDICTIONS, ROW)
        for _ in range(5):
            assert served.ask("/seldon/test/other" + PREDICTIONS, ROW).status == 200
        assert "no answer within 0.5 s" in info(hanging.result(), 500)
    served.loop.call_soon_threadsafe(never.set)


def test_a_connection_is_used_again(served: Serving) -> None:
    peers = set()

    def remember(request: web.Request, body: bytes) -> web.Response:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return echo(request, body)

    model(served, served.component(remember))
    for _ in range(10):
        served.ask(AB + PREDICTIONS, ROW)
    assert len(peers) == 1


def test_a_body_of_the_limit_passes_and_a_larger_one_is_413(served: Serving) -> None:
    model(served, served.component(lambda _, body: web.Response(text=str(len(body)))))
    whole = ROW.ljust(http_body.MAX_BODY)
    assert served.ask(AB + PREDICTIONS, whole).body == str(http_body.MAX_BODY).encode()
    assert "at most 16777216 bytes" in info(served.ask(AB + PREDICTIONS, whole + b" "), 413)
    assert "at most 16777216 bytes" in info(_chunked(served, whole + b" "), 413)


def _chunked(served: Serving, body: bytes) -> Reply:
    pieces = (body[at : at + 2**16] for at in range(0, len(body), 2**16))
    return served.ask(AB + PREDICTIONS, pieces, JSON)  # type: ignore[arg-type]


def _raw(served: Serving, *pieces: bytes, wait: float = 10.0) -> bytes:
    """What comes back over a socket until its end."""
    with socket.create_connection(("127.0.0.1", served.gateway.port), wait) as plug:
        for piece in pieces:
            plug.sendall(piece)
        found = b""
        while data := plug.recv(2**16):
            found += data
    return found


HEAD = f"POST {AB}{PREDICTIONS} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n".encode()


def test_a_client_that_stalls_in_its_body_is_told_so_and_let_go(
    served: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_body, "PATIENCE", 0.2)
    component = served.component()
    model(served, component)
    with socket.create_connection(("127.0.0.1", served.gateway.port), 10) as plug:
        plug.sendall(HEAD + b"half")
        assert plug.recv(2**16).startswith(b"HTTP/1.1 408 ")
    assert component.calls == []


def test_a_malformed_chunk_after_the_head_is_answered_at_once(served: Serving) -> None:
    component = served.component()
    model(served, component)
    head = HEAD.replace(b"Content-Length: 100", b"Transfer-Encoding: chunked")
    with socket.create_connection(("127.0.0.1", served.gateway.port), http_body.PATIENCE / 2) as plug:
        for part in (head, b"2\r\n{}\r\n", b"no number\r\n"):
            plug.sendall(part)
            time.sleep(0.2)  # so that each is read by itself
        answer = plug.recv(2**16)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"malformed chunk" in answer
    assert component.calls == []


def test_a_client_that_does_not_take_its_answer_is_let_go(served: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_reply, "PATIENCE", 0.2)
    model(served, served.component(saying(b" " * 2**24)))
    with socket.create_connection(("127.0.0.1", served.gateway.port), 10) as plug:
        plug.sendall(HEAD + b" " * 100)
        time.sleep(1.0)
        got = 0
        with contextlib.suppress(ConnectionResetError):
            while data := plug.recv(2**20):
                got += len(data)
    assert got < 2**24  # what the system had buffered


def test_bad_http_gets_an_answer_and_no_traceback(served: Serving, caplog: pytest.LogCaptureFixture) -> None:
    for message in (b"nonsense\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"GET " + b"x" * 10_000):
        found = _raw(served, message + b"\r\n\r\n")
        assert found.startswith(b"HTTP/1.") or found == b""
        assert b"Traceback" not in found
    assert caplog.records == []


def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_event(
    served: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    component = served.component()
    model(served, component)
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", served.gateway.port), 10) as plug:
            plug.sendall(HEAD + b"half")
            time.sleep(0.1)
    assert served.ask(AB + PREDICTIONS, ROW).status == 200
    assert len(component.calls) == 1
    assert caplog.records == []


def test_an_unknown_deployment_is_404_with_what_is_there_and_what_was_perhaps_meant(served: Serving) -> None:
    assert "none is live" in info(served.ask(AB + PREDICTIONS, ROW), 404)
    model(served, served.component())
    text = info(served.ask("/seldon/test/abx" + PREDICTIONS, ROW), 404)
    assert text.endswith("/seldon/test/ab/; found /seldon/test/abx/; did you mean /seldon/test/ab/?")
    assert "/seldon/test/ab/" in info(served.ask("/seldon/other/ab" + PREDICTIONS, ROW), 404)


@pytest.mark.parametrize("path", ["", "/", "/seldon", "/seldon/", "/seldon/test/ab", "/%00%ff/%2e%2e/%2e%2e", "/" * 50])
def test_an_unknown_path_is_404(served: Serving, path: str) -> None:
    model(served, served.component())
    assert "expected a" in info(served.get(path), 404)
    assert "did you mean /api/v1.0/predictions?" in info(served.ask(AB + "/api/v1.0/prediction", ROW), 404)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "PATCH"])
def test_another_method_is_405(served: Serving, method: str) -> None:
    component = served.component()
    model(served, component)
    reply = served.ask(AB + PREDICTIONS, ROW, JSON, method)
    assert reply.headers["allow"] == "POST, OPTIONS"
    if method != "HEAD":
        assert info(reply, 405).startswith(f"expected POST; found {method} ")
    assert info(served.ask(AB + "/api/v1.0/metadata", ROW), 405).startswith("expected GET; found POST ")
    assert component.calls == []


def test_the_prefix_may_be_left_out_while_exactly_one_deployment_is_live(served: Serving) -> None:
    model(served, served.component())
    assert served.ask(PREDICTIONS, ROW).status == 200
    served.put(deployment(predictor(node("m")), name="other"), {"m": served.component()})
    text = info(served.ask(PREDICTIONS, ROW), 404)
    assert "/seldon/test/ab/, /seldon/test/other/; found a request without the prefix" in text
    served.gateway.remove("test", "ab")
    assert served.ask(PREDICTIONS, ROW).status == 200


def test_the_namespace_may_be_left_out_as_with_ambassador_s_single_namespace(served: Serving) -> None:
    model(served, served.component())
    assert served.ask("/seldon/ab" + PREDICTIONS, ROW).status == 200
    served.put(deployment(predictor(node("m")), name="api"), {"m": served.component(saying(b"api"))})
    assert served.ask("/seldon/test/api" + PREDICTIONS, ROW).body == b"api"


def test_put_swaps_at_once_and_the_old_one_drains(served: Serving) -> None:
    go_on = asyncio.Event()

    async def wait(*_: object) -> web.Response:
        await go_on.wait()
        return web.Response(text="old")

    slow = served.component(wait)
    model(served, slow)
    with ThreadPoolExecutor(1) as pool:
        on_its_way = pool.submit(served.ask, AB + PREDICTIONS, ROW)
        while not slow.calls:
            time.sleep(0.01)
        old = served.put(deployment(predictor(node("m"))), {"m": served.component(saying(b"new"))})
        assert old is not None
        assert served.ask(AB + PREDICTIONS, ROW).body == b"new"
        with pytest.raises(TimeoutError):
            served.run(asyncio.wait_for(old.drained(), 0.2))
        served.loop.call_soon_threadsafe(go_on.set)
        served.run(asyncio.wait_for(old.drained(), 5))
        assert on_its_way.result().body == b"old"


def test_a_body_that_arrives_after_a_swap_goes_to_the_new_one(served: Serving) -> None:
    model(served, served.component(saying(b"old")))
    with socket.create_connection(("127.0.0.1", served.gateway.port), 10) as plug:
        plug.sendall(HEAD)
        time.sleep(0.1)
        old = served.put(deployment(predictor(node("m"))), {"m": served.component(saying(b"new"))})
        assert old is not None
        served.run(asyncio.wait_for(old.drained(), 5))
        plug.sendall(b" " * 100)
        assert plug.recv(2**16).endswith(b"new")


@pytest.mark.parametrize(("drawn", "chosen"), [(0.0, b"main"), (0.749, b"main"), (0.75, b"canary"), (0.999, b"canary")])
def test_predictors_share_the_requests_by_their_traffic(served: Serving, drawn: float, chosen: bytes) -> None:
    parts = {"main/m": served.component(saying(b"main")), "canary/m": served.component(saying(b"canary"))}
    both = predictor(node("m"), "main", traffic=75), predictor(node("m"), "canary", traffic=25)
    served.put(deployment(*both), parts)
    served.drawn = drawn
    assert served.ask(AB + PREDICTIONS, ROW).body == chosen


def shadowed(served: Serving, shadow: Component, traffic: int = 0) -> None:
    parts = {"main/m": served.component(saying(b"main")), "dark/m": shadow}
    both = predictor(node("m"), "main", traffic=100), predictor(node("m"), "dark", shadow=True, traffic=traffic)
    served.put(deployment(*both), parts)


@pytest.mark.parametrize("status", [200, 500])
def test_a_shadow_is_asked_and_never_changes_the_answer(served: Serving, status: int) -> None:
    shadow = served.component(saying(b"dark", status))
    shadowed(served, shadow)
    for route in (PREDICTIONS, FEEDBACK):
        assert served.ask(AB + route, ROW).body == b"main"
    live = served.gateway.get("test", "ab")
    assert live is not None
    served.run(live.drained())
    assert [(call.path, call.body) for call in shadow.calls] == [("/predict", ROW), ("/send-feedback", ROW)]


def test_a_shadow_that_hangs_never_delays_an_answer_and_at_most_so_many_requests_wait_for_it(
    served: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadows, "AT_ONCE", 3)
    go_on = asyncio.Event()

    async def wait(*_: object) -> web.Response:
        await go_on.wait()
        return web.Response()

    shadow = served.component(wait)
    shadowed(served, shadow)
    for _ in range(10):
        assert served.ask(AB + PREDICTIONS, ROW).body == b"main"
    served.loop.call_soon_threadsafe(go_on.set)
    live = served.gateway.get("test", "ab")
    assert live is not None
    served.run(live.drained())
    assert len(shadow.calls) == 3


def test_a_shadow_that_hangs_silences_no_other(served: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadows, "AT_ONCE", 1)
    never = asyncio.Event()

    async def hang(*_: object) -> web.Response:
        await never.wait()
        return web.Response()

    shadowed(served, served.component(hang))
    both = predictor(node("m"), "main", traffic=100), predictor(node("m"), "dark", shadow=True)
    shadow = served.component()
    served.put(deployment(*both, name="other"), {"main/m": served.component(), "dark/m": shadow})
    served.ask(AB + PREDICTIONS, ROW)
    served.ask("/seldon/test/other" + PREDICTIONS, ROW)
    live = served.gateway.get("test", "other")
    assert live is not None
    served.run(live.drained())
    assert len(shadow.calls) == 1
    served.loop.call_soon_threadsafe(never.set)


@pytest.mark.parametrize(("drawn", "asked"), [(0.19, 1), (0.2, 0)])
def test_the_traffic_of_a_shadow_is_the_percentage_that_it_gets(served: Serving, drawn: float, asked: int) -> None:
    shadow = served.component()
    shadowed(served, shadow, 20)
    served.drawn = drawn
    assert served.ask(AB + PREDICTIONS, ROW).status == 200
    live = served.gateway.get("test", "ab")
    assert live is not None
    served.run(live.drained())
    assert len(shadow.calls) == asked


def test_ready_asks_every_component_for_a_connection(served: Serving) -> None:
    assert "no deployment" in info(served.get("/ready"), 503)
    up, down = served.component(), served.component(up=False)
    served.put(deployment(predictor(CHAIN)), {"t": up, "m": down})
    for path in ("/ready", AB + "/ready"):
        assert f"default/m does not listen on 127.0.0.1:{down.hold.number}" in info(served.get(path), 503)
    served.run(down.start())
    assert served.get("/ready").status == served.get(AB + "/ready").status == served.get("/live").status == 200


def test_prometheus_has_the_executor_s_histograms(served: Serving) -> None:
    model(served, served.component())
    served.ask(AB + PREDICTIONS, ROW)
    reply = served.get("/prometheus")
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = reply.body.decode()
    labels = 'deployment_name="ab",predictor_name="default",predictor_version="",service='
    server = f'seldon_api_executor_server_requests_seconds_count{{{labels}"predictions",method="post",code="200"}} '
    asked = 'model_name="m",model_image="servelab/m",model_version="1",method="post",code="200"'
    client = f'seldon_api_executor_client_requests_seconds_bucket{{{labels}"/predict",{asked},le="10.0"}} '
    for series in (server, client):
        assert int(text.partition(series)[2].partition("\n")[0]) > 0


def test_the_figures_of_a_deployment_end_with_it_and_those_of_a_version_after_the_next(served: Serving) -> None:
    def figures() -> str:
        return served.get("/prometheus").body.decode()

    component = served.component()
    for name in ("one", "two", "three"):
        served.put(deployment(predictor(node("m"), name)), {"m": component}, name)
        assert served.ask(AB + PREDICTIONS, ROW).status == 200
    assert [f'predictor_name="{name}"' in figures() for name in ("one", "two", "three")] == [False, True, True]

    async def remove() -> None:
        served.gateway.remove("test", "ab")

    served.run(remove())
    assert "predictor_name" not in figures()


def test_the_page_says_what_the_graph_is_and_loads_nothing(served: Serving) -> None:
    model(served, served.component())
    assert served.get(AB + "/api/v1.0/doc").headers["location"] == AB + "/api/v1.0/doc/"
    page = served.get(AB + "/api/v1.0/doc/").body.decode()
    assert "servelab/m:1" in page
    assert f"curl {AB}{PREDICTIONS} -H" in page
    assert not re.findall(r"(?:src|href)=\W*(?:https?:)?//", page)
    api = json.loads(served.get(AB + "/api/v1.0/doc/seldon.json").body)
    assert list(api["paths"]) == [AB + PREDICTIONS, AB + FEEDBACK]


def test_the_page_offers_a_row_that_the_graph_takes(served: Serving) -> None:
    animals = {**node("m"), "parameters": [{"name": "container_name", "value": "animals", "type": "STRING"}]}
    served.put(deployment(predictor(animals)), {"m": served.component()})
    page = html.unescape(served.get(AB + "/api/v1.0/doc/").body.decode())
    assert page.count('{"data": {"ndarray": [["dog", 0, 4, 0.2, 0.79]]}}') == 2


def test_status_and_metadata_are_asked_of_the_named_component(served: Serving) -> None:
    first, second = (
        served.component(saying(b'{"name": "one", "inputs": [1]}')),
        served.component(saying(b'{"outputs": 2}')),
    )
    served.put(deployment(predictor(CHAIN)), {"t": first, "m": second})
    assert served.get(AB + "/api/v1.0/status/m").body == b'{"outputs": 2}'
    assert served.get(AB + "/api/v1.0/health/status").status == 200
    assert served.get(AB + "/api/v1.0/metadata/t").status == 200
    paths = [[(call.method, call.path) for call in component.calls] for component in (first, second)]
    assert paths == [[("GET", "/health/status"), ("GET", "/metadata")], [("GET", "/health/status")]]
    found = json.loads(served.get(AB + "/api/v1.0/metadata").body)
    assert found["models"].keys() == {"t", "m"}
    assert (found["graphinputs"], found["graphoutputs"]) == ([1], 2)
    second.answer = saying(b"no JSON")
    assert "expected the metadata of m to be JSON" in info(served.get(AB + "/api/v1.0/metadata"), 500)
    assert "t, m; found x" in info(served.get(AB + "/api/v1.0/status/x"), 404)


def test_a_unit_without_a_component_is_an_error(served: Serving) -> None:
    served.put(deployment(predictor(CHAIN)), {"t": served.component()})
    assert "expected a component that serves m; found none" in info(served.ask(AB + PREDICTIONS, ROW), 500)


def test_many_clients_at_once_get_their_own_answers(served: Serving) -> None:
    async def later(_: web.Request, body: bytes) -> web.Response:
        await asyncio.sleep(0.01)
        return web.Response(body=body)

    served.put(deployment(predictor(CHAIN)), {"t": served.component(later), "m": served.component(later)})
    with ThreadPoolExecutor(20) as pool:
        bodies = [str(number).encode() for number in range(200)]
        assert [reply.body for reply in pool.map(lambda b: served.ask(AB + PREDICTIONS, b), bodies)] == bodies


def test_a_taken_port_is_an_error() -> None:
    async def start_another(port: int) -> None:
        gateway = Gateway()
        try:
            await gateway.start("127.0.0.1", port)
        finally:
            await gateway.stop()

    with serving() as first, pytest.raises(OSError, match="in use"):
        first.run(start_another(first.gateway.port))


def test_an_idle_connection_to_a_component_is_left_before_the_component_leaves_it() -> None:
    # What gunicorn keeps unless told otherwise: 2 s (https://docs.gunicorn.org/en/stable/settings.html#keepalive).
    assert http_caller.KEEP_ALIVE < 2
