"""The outputs of a resource: kubectl's ``-o jsonpath`` for the forms that KFP writes.

``{}`` is the whole object, ``{.status.address.url}``, ``{.items[0]['a.b']}`` one value; a name that is missing gives an
empty string, as kubectl does. Filters, wildcards, slices and ranges are refused.
"""

import json
import re

from pipelines.argo.errors import ArgoError

BRACES = re.compile(r"\{([^{}]*)\}")
SEGMENT = re.compile(r"\.((?:[\w/-]|\\.)+)|\[(\d+)\]|\['([^']*)'\]")


def parse(template: str) -> tuple[str | tuple[str | int, ...], ...]:
    """Text and paths in turn; ArgoError for a form that is not here."""
    parts: list[str | tuple[str | int, ...]] = []
    for number, part in enumerate(BRACES.split(template)):
        if number % 2 == 0:
            parts.append(part)
            continue
        path = part.strip().removeprefix("$").removeprefix("@")
        if "".join(match[0] for match in SEGMENT.finditer(path)) != path and path != ".":
            raise ArgoError(f"jsonPath {template!r}: expected names and indices, such as {{.status.address.url}}")
        parts.append(tuple(_name(match) for match in SEGMENT.finditer(path)))
    return tuple(parts)


def _name(match: re.Match[str]) -> str | int:
    if match[2] is not None:
        return int(match[2])
    return match[3] if match[3] is not None else re.sub(r"\\(.)", r"\1", match[1])


def read(template: str, document: object) -> str:
    """The template with the values of the document in it."""
    return "".join(part if isinstance(part, str) else _shown(document, part) for part in parse(template))


def _shown(document: object, path: tuple[str | int, ...]) -> str:
    for name in path:
        try:
            document = document[name]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            return ""
    return document if isinstance(document, str) else json.dumps(document, separators=(",", ":"), ensure_ascii=False)
