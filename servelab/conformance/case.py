"""A request with what may come back, so that checks which are alike are rows of a table."""

import json
import re
from collections.abc import Callable, Container
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

from numpy.typing import NDArray

from servelab.conformance.check import Check, CheckFailed
from servelab.conformance.subject import Subject, describe
from servelab.conformance.wire import NoReply, Reply
from servelab.protocols.base import Request

REFUSED = range(400, 500)
NEVER: tuple[int, ...] = ()  # no refusal will do: the answer must be right
_TRACEBACK = re.compile(r'Traceback \(most recent call last\)|File "[^"]+", line \d+')
_BARE = {HTTPStatus(status).phrase.lower() for status in (400, 415, 422)} | {"unprocessable content", "invalid request"}


@dataclass(frozen=True, slots=True)
class Case:
    """A request, the statuses that refuse it, and what gives the answer that is right as well (None: none is).

    ``mention`` holds regular expressions that a refusal's message must match; ``protocol`` decodes the answer.
    """

    name: str
    request: Request
    refusals: Container[int] = REFUSED
    answer: Callable[[Subject], NDArray[Any]] | None = None
    mention: tuple[str, ...] = ()
    protocol: str = "v1"
    skip: str = ""

    def check(self, group: str, skip: str = "") -> Check:
        """The check that sends it, and then whether the server still predicts."""
        return Check(f"{group}/{self.name}", partial(_run, self), skip or self.skip)

    def judge(self, subject: Subject, reply: Reply) -> None:
        """CheckFailed when the reply is neither a fit refusal nor the right answer."""
        if self.answer is not None and (reply.status == 200 or reply.status not in self.refusals):
            subject.require_right(reply, self.answer(subject), self.request, self.protocol)
        else:
            require_refusal(reply, describe(self.request), self.refusals, self.mention)


def _run(case: Case, subject: Subject) -> None:
    with subject.connect() as connection:
        try:
            reply = connection.exchange(subject.to_bytes(case.request))
        except NoReply as error:
            raise CheckFailed(f"sent {describe(case.request)}\nexpected an answer; {error}") from None
        case.judge(subject, reply)
        subject.require_predicts(connection if reply.kept else None)


def require_refusal(reply: Reply, sent: str, refusals: Container[int] = REFUSED, mention: tuple[str, ...] = ()) -> None:
    """CheckFailed unless the reply is one of these statuses with a message of use to who sent the request."""
    problem = message_problem(reply)
    if reply.status not in refusals:
        problem = f"expected {'4xx' if refusals is REFUSED else refusals}"
    if reply.status == 405 and "allow" not in reply.headers and not problem:
        problem = "expected a header Allow, which names the methods of that route (RFC 9110, 15.5.6)"
    for pattern in mention:
        if not problem and not re.search(pattern, _text(reply), re.IGNORECASE):
            problem = f"expected a message that mentions {pattern}"
    if problem:
        raise CheckFailed(f"sent {sent}\n{problem}; came back {reply}")


def message_problem(reply: Reply) -> str:
    """What is wrong with a refusal's message; empty when it is JSON or text that says something."""
    text = _text(reply)
    if "html" in reply.content_type or text.lstrip().lower().startswith(("<!doctype", "<html")):
        return "expected a message in JSON or plain text, not HTML"
    if _TRACEBACK.search(text):
        return "expected a message, not a traceback"
    if "json" in reply.content_type and not _is_json(reply.body):
        return "expected JSON, as the content type says"
    said = " ".join(_strings(json.loads(reply.body))) if _is_json(reply.body) else text
    if not said.strip():
        return "expected a message that is not empty"
    if reply.status in (400, 415, 422) and said.strip(" .").lower() in _BARE:
        return "expected a message that says what was expected"
    return ""


def _text(reply: Reply) -> str:
    """The body as text, JSON escapes resolved."""
    text = reply.body.decode("utf-8", "replace")
    return " ".join(_strings(json.loads(text))) if _is_json(reply.body) else text


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def _strings(value: Any) -> list[str]:
    """Every scalar of a JSON document as text, keys left out."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in _strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in _strings(item)]
    return [] if value is None else [str(value)]
