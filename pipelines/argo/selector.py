"""When a resource is done: ``successCondition`` and ``failureCondition``.

Argo reads them as Kubernetes label selectors whose keys are gjson paths into the object: comma is AND, a key may be
compared (=, ==, !=, in, notin, >, <) or only exist (key, !key). Kubernetes' rules for labels hold for key and value,
which leaves of gjson the names joined by dots and the indices of arrays.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from pipelines.argo.errors import ArgoError

KEY = r"(?:[a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
REQUIREMENT = re.compile(
    rf"\s*(?P<absent>!\s*)?(?P<key>{KEY})\s*"
    r"(?:(?P<set>notin|in)\s*\((?P<values>[^()]*)\)|(?P<sign>==|!=|=|>|<)\s*(?P<value>[^,!=<>()\s]*))?\s*"
)
MISSING = object()


class Verdict(Enum):
    """What the object says of the step."""

    DONE = "done"
    FAILED = "failed"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One part of a selector: ``key sign values``, with the sign one of ``in notin exists absent > <``."""

    key: str
    sign: str
    values: tuple[str, ...] = ()

    def holds(self, document: object) -> bool:
        """Whether the object meets it; a path that leads nowhere meets ``absent`` and ``notin`` alone."""
        found = get(document, self.key)
        if self.sign in {"exists", "absent"}:
            return (found is MISSING) is (self.sign == "absent")
        if found is MISSING:
            return self.sign == "notin"
        if self.sign in {"in", "notin"}:
            return (text(found) in self.values) is (self.sign == "in")
        try:
            left, right = int(text(found)), int(self.values[0])
        except ValueError:
            return False
        return left > right if self.sign == ">" else left < right


def parse(selector: str) -> tuple[Requirement, ...]:
    """The requirements of a selector; ArgoError names the part that is none."""
    parts, at = [], 0
    while selector.strip() and at <= len(selector):
        match = REQUIREMENT.match(selector, at)
        if match is None or selector[match.end() : match.end() + 1] not in {"", ","}:
            raise ArgoError(f"condition {selector!r}: expected a label selector such as status.state == Available; "
                            f"found {selector[at:].strip()!r}")  # fmt: skip
        parts.append(_requirement(selector, match))
        at = match.end() + 1
        if match.end() == len(selector):
            break
    return tuple(parts)


def _requirement(selector: str, match: re.Match[str]) -> Requirement:
    if match["set"]:
        sign, values = match["set"], tuple(each.strip() for each in match["values"].split(","))
    elif match["sign"]:
        sign = {"=": "in", "==": "in", "!=": "notin"}.get(match["sign"], match["sign"])
        values = (match["value"],)
    else:
        return Requirement(match["key"], "absent" if match["absent"] else "exists")
    wrong = [each for each in values if not VALUE.fullmatch(each)]
    if match["absent"] or wrong or (sign in {">", "<"} and not re.fullmatch(r"-?\d+", values[0])):
        raise ArgoError(f"condition {selector!r}: Kubernetes takes no such value: {(wrong or values)[0]!r}")
    return Requirement(match["key"], sign, values)


def judge(document: object, success: Sequence[Requirement], failure: Sequence[Requirement]) -> Verdict:
    """As Argo's executor: any requirement of the failure condition fails the step; success needs all of its own.

    No success condition is met at once, so a failure condition alone is looked at once only.
    """
    if any(each.holds(document) for each in failure):
        return Verdict.FAILED
    return Verdict.DONE if all(each.holds(document) for each in success) else Verdict.WAIT


def get(document: object, path: str) -> object:
    """The value at a path of names and indices, as gjson finds it; MISSING if it leads nowhere."""
    for name in path.split("."):
        if isinstance(document, Mapping) and name in document:
            document = document[name]
        elif isinstance(document, list) and name.isdecimal() and int(name) < len(document):
            document = document[int(name)]
        else:
            return MISSING
    return document


def text(value: object) -> str:
    """A JSON value as gjson prints it: strings bare, null empty, the rest as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
