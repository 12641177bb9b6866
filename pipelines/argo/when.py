"""The ``when`` of a task, evaluated after its tags are filled in, as Argo does with the library govaluate.

A bare word is a string there; numbers are floats; ``==`` of two types is false, ``<`` of two types an error. Strings
compare by their characters, so ``"9" > "10"`` holds: KFP quotes both sides. Arithmetic, ``in``, ``?:``, functions and
dates (govaluate reads a quoted date as a time) are not here: an expression with one is refused.
"""

import operator
import re
from collections.abc import Callable
from functools import partial

from pipelines.argo.errors import ArgoError

Value = str | float | bool
Thunk = Callable[[], Value]  # a part of an expression that has been read, to be evaluated
TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d+)?)(?![\w.-])|(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?P<op>==|!=|<=|>=|=~|!~|&&|\|\||[<>!()])|(?P<word>[A-Za-z_][\w.-]*)|(?P<other>\S))"""
)
ORDER: dict[str, Callable[[str | float, str | float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
COMPARISONS = {"==", "!=", "=~", "!~", *ORDER}


def holds(expression: str) -> bool:
    """Whether the task runs; an empty expression holds. ArgoError for one that Argo or this reader cannot take."""
    if not expression.strip():
        return True
    return _Reader(expression).truth(parse(expression))


def parse(expression: str) -> Thunk:
    """The expression, read but not evaluated. ArgoError says what was found where a value or a sign was expected."""
    reader = _Reader(expression)
    whole = reader.either()
    if reader.kind != "end":
        raise reader.error(f"found {reader.text!r} after its end")
    return whole


class _Reader:
    """A recursive descent over the tokens: either -> both -> comparison -> one value."""

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.tokens = [(match.lastgroup or "", match[match.lastgroup or 0]) for match in TOKEN.finditer(expression)]
        self.at = 0

    @property
    def kind(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else "end"

    @property
    def text(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def error(self, what: str) -> ArgoError:
        return ArgoError(f"when: {self.expression}: {what}. Wrap strings in double quotes")

    def truth(self, part: Thunk) -> bool:
        value = part()
        if not isinstance(value, bool):
            raise self.error(f"expected true or false; found {value!r}")
        return value

    def take(self) -> str:
        text = self.text
        self.at += 1
        return text

    def found(self, *signs: str) -> bool:
        return self.kind == "op" and self.text in signs

    def either(self) -> Thunk:
        part = self.both()
        while self.found("||"):
            self.take()
            part = partial(lambda left, right: self.truth(left) or self.truth(right), part, self.both())
        return part

    def both(self) -> Thunk:
        part = self.comparison()
        while self.found("&&"):
            self.take()
            part = partial(lambda left, right: self.truth(left) and self.truth(right), part, self.comparison())
        return part

    def comparison(self) -> Thunk:
        part = self.single()
        while self.found(*COMPARISONS):
            part = partial(self.compare, part, self.take(), self.single())
        return part

    def compare(self, one: Thunk, sign: str, other: Thunk) -> bool:
        left, right = one(), other()
        if sign in {"==", "!="}:
            return (type(left) is type(right) and left == right) is (sign == "==")
        if isinstance(left, bool) or isinstance(right, bool) or type(left) is not type(right):
            raise self.error(f"{left!r} {sign} {right!r} compares two types")
        if sign in ORDER:
            return ORDER[sign](left, right)
        try:
            return (re.search(str(right), str(left)) is not None) is (sign == "=~")
        except re.error as error:
            raise self.error(f"{right!r} is no regular expression ({error})") from None

    def single(self) -> Thunk:
        kind, text = self.kind, self.take()
        if kind == "number":
            return partial(float, text)
        if kind == "string":
            return partial(re.sub, r"\\(.)", r"\1", text[1:-1])
        if kind == "word" and text != "in":
            value: Value = {"true": True, "false": False}.get(text, text)
            return lambda: value
        if kind == "op" and text == "!":
            negated = self.single()
            return lambda: not self.truth(negated)
        if kind == "op" and text == "(":
            part = self.either()
            if self.take() != ")":
                raise self.error("expected a closing parenthesis")
            return part
        raise self.error(f"expected a value; found {text!r}" if text else "expected a value; found its end")
