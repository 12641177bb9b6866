"""Argo's simple template tags, ``{{name.of.value}}``, and their values.

The expression form ``{{=...}}`` is another language; ``support`` refuses it.
"""

import re
from collections.abc import Iterator, Mapping

from pipelines.argo.errors import ArgoError

TAG = re.compile(r"\{\{\s*([^{}=\s][^{}]*?)\s*\}\}")


def tags(value: object) -> Iterator[str]:
    """The name of every tag in the strings of a JSON value, in order, each as often as it stands there."""
    if isinstance(value, str):
        yield from TAG.findall(value)
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from tags(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from tags(each)


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with every tag replaced, once: a value that looks like a tag stays as it is.

    Raises ArgoError, naming the tag, when it has no value.
    """

    def value(match: re.Match[str]) -> str:
        try:
            return values[match[1]]
        except KeyError:
            raise ArgoError(f"failed to resolve {match[0]}: no step has given it a value") from None

    return TAG.sub(value, text)
