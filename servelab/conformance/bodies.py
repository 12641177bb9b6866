"""Bodies that arrive in an odd way: too large, in pieces, slowly, in part, never."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from functools import partial

from servelab.conformance import bad_input
from servelab.conformance.case import REFUSED, require_refusal
from servelab.conformance.check import Check, CheckFailed
from servelab.conformance.subject import Subject
from servelab.conformance.wire import Closed, HalfClose, NoReply, Pause, Reply, Step
from servelab.protocols.base import Request
from servelab.strategy import Strategy
from shared_models import Model

LIMIT = 16 << 20  # bytes of a body that every server takes; one more is a 413
STALLED = 4  # clients that stop in the middle of a body while others ask
OTHERS = 5
PATIENCE = 5.0  # seconds in which those others must have their answers
_CHUNK = 1 << 16
Right = Callable[[Reply], None]  # CheckFailed unless it is the right answer
Run = Callable[[Subject, Request, Right], None]


def checks(strategy: Strategy, model: Model) -> Iterator[Check]:
    """The checks on the route of the strategy's dialect, of those that bad_input knows; skipped for another."""
    name = bad_input.dialect(strategy, model)
    request = bad_input.first_golden(model, name or bad_input.DIALECTS[0])
    for title, run in (
        ("just-under-limit", _just_under_limit),
        ("over-limit", partial(_over_limit, as_chunks=False)),
        ("over-limit-chunked", partial(_over_limit, as_chunks=True)),
        ("chunked", _chunked),
        ("bad-chunk", _bad_chunk),
        ("truncated", _truncated),
        ("abandoned", _abandoned),
        ("slow", _slow),
        ("stalled", _stalled),
    ):
        yield Check(f"body/{title}", partial(_run, run, request, name), "" if name else bad_input.NO_DIALECT)


def _run(run: Run, request: Request, name: str, subject: Subject) -> None:
    def right(reply: Reply) -> None:
        subject.require_right(reply, bad_input.first_answer(subject), request, name)

    run(subject, request, right)
    subject.require_predicts()


def _head(subject: Subject, request: Request, framing: str) -> bytes:
    """The head of the request, with this framing header in place of the right Content-Length."""
    lines = [f"{request.method} {request.path} HTTP/1.1", f"Host: {subject.host}"]
    lines += [f"{name}: {value}" for name, value in request.headers]
    return "\r\n".join([*lines, framing, "", ""]).encode("latin-1")


def _as_chunks(body: bytes) -> bytes:
    """The body in the chunked coding (RFC 9112, 7.1)."""
    pieces = [body[start : start + _CHUNK] for start in range(0, len(body), _CHUNK)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])


def _send_or_be_closed(subject: Subject, sent: str, *steps: Step) -> Reply | None:
    """The reply; None when the server closes the connection without one."""
    try:
        with subject.connect() as connection:
            return connection.exchange(*steps)
    except Closed:
        return None
    except NoReply as error:
        raise CheckFailed(f"sent {sent}\nexpected an answer; {error}") from None


def _send(subject: Subject, sent: str, *steps: Step) -> Reply:
    reply = _send_or_be_closed(subject, sent, *steps)
    if reply is None:
        raise CheckFailed(f"sent {sent}\nexpected an answer; the server closed or reset the connection")
    return reply


def _just_under_limit(subject: Subject, request: Request, right: Right) -> None:
    body = request.body.ljust(LIMIT - 1)  # JSON allows white space after its end
    sent = Request(request.method, request.path, request.headers, body)
    reply = _send(subject, "a right body padded to one byte less than 16 MiB", subject.to_bytes(sent))
    if reply.status not in REFUSED:
        right(reply)


def _over_limit(subject: Subject, request: Request, right: Right, as_chunks: bool) -> None:  # noqa: ARG001
    body = request.body.ljust(LIMIT + (1 << 20))
    framing = "Transfer-Encoding: chunked" if as_chunks else f"Content-Length: {len(body)}"
    sent = f"a right body padded to 17 MiB ({framing})"
    reply = _send(subject, sent, _head(subject, request, framing), _as_chunks(body) if as_chunks else body)
    require_refusal(reply, sent, (413,))


def _chunked(subject: Subject, request: Request, right: Right) -> None:
    head = _head(subject, request, "Transfer-Encoding: chunked")
    reply = _send(subject, "a right body, chunked", head, _as_chunks(request.body))
    if reply.status != 411:  # RFC 9110, 15.5.12: a server may ask for the length
        right(reply)


def _bad_chunk(subject: Subject, request: Request, right: Right) -> None:  # noqa: ARG001
    sent = "a chunked body whose chunk size is no number"
    head = _head(subject, request, "Transfer-Encoding: chunked")
    reply = _send_or_be_closed(subject, sent, head, b"zz\r\n" + request.body + b"\r\n0\r\n\r\n")
    # The HTTP layer answers this one, in words that no application can choose.
    if reply and reply.status not in REFUSED:
        raise CheckFailed(f"sent {sent}\nexpected 4xx or the end of the connection; came back {reply}")


def _truncated(subject: Subject, request: Request, right: Right) -> None:  # noqa: ARG001
    sent = f"half of a body of {len(request.body)} bytes, then the end of the stream"
    data = subject.to_bytes(request)
    # Closing without an answer is right as well: who half-closes cannot be told from who is gone.
    if reply := _send_or_be_closed(subject, sent, data[: -len(request.body) // 2], HalfClose()):
        require_refusal(reply, sent)


def _abandoned(subject: Subject, request: Request, right: Right) -> None:  # noqa: ARG001
    """Clients go away: in the middle of the head, of the body, and before they read the answer."""
    data = subject.to_bytes(request)
    for end in (20, len(data) - len(request.body) // 2, len(data)):
        with subject.connect() as connection:
            connection.send(data[:end])


def _slow(subject: Subject, request: Request, right: Right) -> None:
    data = subject.to_bytes(request)
    start = len(data) - len(request.body)
    cuts = [0, start // 2, start, start + 1, start + len(request.body) // 2, len(data) - 1, len(data)]
    steps: list[Step] = []
    for begin, end in itertools.pairwise(cuts):
        steps += [data[begin:end], Pause(0.35)]
    reply = _send(subject, "a right request in six pieces over two seconds", *steps)
    right(reply)


def _stalled(subject: Subject, request: Request, right: Right) -> None:
    data = subject.to_bytes(request)
    what = f"while {STALLED} clients stall in the middle of a body"
    with contextlib.ExitStack() as stack:
        for _ in range(STALLED):
            stack.enter_context(subject.connect()).send(data[: -len(request.body) // 2])
        time.sleep(0.2)  # so that the server has begun to read them
        began = time.monotonic()
        for _ in range(OTHERS):
            try:
                with subject.connect(PATIENCE) as connection:
                    reply = connection.exchange(data)
            except NoReply as error:
                raise CheckFailed(f"{what}, another has no answer: {error}") from None
            right(reply)
        if (seconds := time.monotonic() - began) > PATIENCE:
            raise CheckFailed(f"{what}, {OTHERS} others waited {seconds:.1f} s; expected at most {PATIENCE:g} s")
