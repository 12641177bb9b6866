"""The documents of a YAML file as an API server would take them: strict, bounded, every fault with its line."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from servelab.contract import nearest
from servelab.graph.manifest.problem import ManifestError, Problem

# An API server takes more, 3 MiB; a manifest has a few thousand, and this many take two seconds to read.
MOST_BYTES = 1 << 18
# Aliases count as often as they are used: a few that use one another stand for millions ("billion laughs").
MOST_VALUES = 50_000
DEEPEST = 100
STRING = "tag:yaml.org,2002:str"
MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """Safe YAML without what only PyYAML reads into plain words: dates, and 12:30 as a number of minutes."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """A mapping as JSON has it: every key a string, and there once."""
        node = super().compose_mapping_node(anchor)
        pairs: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.composer.ComposerError(None, None, "expected a word as key", key.start_mark)
            if key.value in pairs:
                raise yaml.composer.ComposerError(None, None, f"the key {key.value!r} twice", key.start_mark)
            tag = key.tag if key.tag == MERGE else STRING
            pairs[key.value] = yaml.ScalarNode(tag, key.value, key.start_mark, key.end_mark), value
        node.value = list(pairs.values())
        return node

    def construct_text(self, node: yaml.ScalarNode) -> str:
        """A string; characters that JSON escapes as two halves are put together, half ones are no text."""
        try:
            return str(self.construct_scalar(node)).encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise yaml.constructor.ConstructorError(None, None, "half of a character", node.start_mark) from None


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] in ("bool", "null", "merge")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_constructor(STRING, _Loader.construct_text)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?(0|[1-9][0-9]{0,29})$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]{1,2})?$"),
    list("-+0123456789."),
)


def load(path: Path) -> list[Any]:
    """The documents of a file, empty ones left out; raises ManifestError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return loads(file.read(MOST_BYTES + 1), str(path))
    except OSError as error:
        beside = nearest(path.name, (other.name for other in path.parent.glob("*.y*ml")))
        problem = f"expected a file that can be read; found: {error.strerror or error}{beside}"
        raise ManifestError(str(path), [Problem("", problem)]) from None


def loads(content: bytes, where: str) -> list[Any]:
    """The documents of YAML or JSON text; ``where`` starts the message of the ManifestError when it is none."""
    text = _text(content, where)
    try:
        if fault := next(_faults(text), None):
            raise _broken(where, *fault)
        documents = [document for document in yaml.load_all(text, _Loader) if document is not None]
    except yaml.MarkedYAMLError as error:
        raise _broken(where, error.problem_mark or error.context_mark, error.problem or str(error)) from None
    except (yaml.YAMLError, ValueError) as error:
        raise _broken(where, None, str(error)) from None
    if not documents:
        raise ManifestError(where, [Problem("", "expected a SeldonDeployment; found no document")])
    return documents


def _broken(where: str, mark: Any, found: str) -> ManifestError:
    line = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return ManifestError(where, [Problem(line, f"expected YAML as an API server takes it; found: {found}")])


def _text(content: bytes, where: str) -> str:
    if len(content) > MOST_BYTES:
        raise ManifestError(where, [Problem("", f"expected at most {MOST_BYTES} bytes; found more")])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = f"expected UTF-8; found the byte 0x{content[error.start]:02x}. Save it as UTF-8"
        raise ManifestError(where, [Problem(f"line {line}", problem)]) from None


def _faults(text: str) -> Iterator[tuple[Any, str]]:
    """Where and why the text may not be composed: tags, aliases of themselves, too deep, too many values."""
    extent = _Extent()
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.NodeEvent) and getattr(event, "tag", None) not in (None, STRING):
            yield event.start_mark, f"the tag {getattr(event, 'tag', '')}; a manifest needs none"
        if isinstance(event, yaml.AliasEvent) and event.anchor not in extent.anchors:
            yield event.start_mark, f"*{event.anchor}, with no complete &{event.anchor} before it"
        extent.add(event)
        if extent.depth > DEEPEST:
            yield event.start_mark, f"more than {DEEPEST} levels, aliases written out"
        if extent.values > MOST_VALUES:
            yield event.start_mark, f"more than {MOST_VALUES} values, aliases written out"


@dataclass(slots=True)
class _Extent:
    """How many values a text stands for, and how deep the innermost open one reaches, aliases written out."""

    values: int = 0
    depth: int = 0
    anchors: dict[str | None, tuple[int, int]] = field(default_factory=dict)
    open: list[tuple[str | None, int, int]] = field(default_factory=list)

    def add(self, event: yaml.Event) -> None:
        """Take the next event; an alias must be known. ``anchors`` keeps of each the values and levels below it."""
        if isinstance(event, yaml.DocumentStartEvent):
            self.anchors.clear()
        elif isinstance(event, yaml.AliasEvent):
            values, levels = self.anchors[event.anchor]
            self.values += values
            self.depth = max(self.depth, len(self.open) + levels)
        elif isinstance(event, yaml.ScalarEvent):
            self.values += 1
            self.anchors[event.anchor] = 1, 0
        elif isinstance(event, yaml.CollectionStartEvent):
            self.open.append((event.anchor, self.values, self.depth))
            self.values += 1
            self.depth = len(self.open)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, values, depth = self.open.pop()
            self.anchors[anchor] = self.values - values, self.depth - len(self.open)
            self.depth = max(self.depth, depth)
