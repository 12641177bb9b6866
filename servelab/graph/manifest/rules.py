"""The rules of a single unit of the graph: what its type, implementation, methods, parameters and children must be."""

from collections.abc import Iterator, Mapping
from typing import Any

from servelab.contract import nearest
from servelab.graph.manifest.fields import BUILT_IN, GONE, PREPACKAGED
from servelab.graph.manifest.problem import Problem

TRUTHS = ("y", "yes", "t", "true", "on", "1", "n", "no", "f", "false", "off", "0")  # as distutils' strtobool
Raw = Mapping[str, Any]


def units(unit: Any, where: str, above: tuple[str, ...] = ()) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    """Each unit with its path and the names above it, a parent before its children."""
    yield where, unit, above
    for i, child in enumerate(unit.get("children", ())):
        yield from units(child, f"{where}.children[{i}]", (*above, unit.get("name", "")))


def called(unit: Raw) -> bool:
    """Does the executor call a component for it?"""
    return unit["type"] != "UNKNOWN_TYPE" or bool(unit.get("methods"))


def check(unit: Raw, path: str) -> Iterator[Problem]:
    """What breaks a rule in this unit, its children apart."""
    yield from _implementation(unit, path)
    yield from _children(unit, path)
    for i, parameter in enumerate(unit.get("parameters", ())):
        yield from _parameter(parameter, f"{path}.parameters[{i}]")


def _implementation(unit: Raw, path: str) -> Iterator[Problem]:
    implementation = unit["implementation"]
    if implementation in PREPACKAGED:
        if not unit.get("modelUri") and implementation != "HUGGINGFACE_SERVER":
            yield Problem(
                path, f"expected the key 'modelUri', which {implementation} loads its model from; it is missing"
            )
    elif implementation == "RANDOM_ABTEST":
        yield from _random(unit, path)
    elif implementation in GONE:
        yield Problem(
            f"{path}.implementation",
            f"expected {', '.join((*BUILT_IN, *PREPACKAGED))}; found {implementation!r}, which Seldon's executor "
            "does not have: it would send the request through untouched. Name a component instead",
        )
    elif implementation not in BUILT_IN:
        known = (*BUILT_IN, *PREPACKAGED)
        close = nearest(implementation.upper(), known)
        yield Problem(
            f"{path}.implementation", f"expected one of {', '.join(known)}; found {implementation[:80]!r}{close}"
        )
    elif not called(unit):
        yield Problem(
            path,
            "expected a type, or methods; found neither beside UNKNOWN_IMPLEMENTATION or an empty list: the executor "
            "would send the request through untouched",
        )


def _random(unit: Raw, path: str) -> Iterator[Problem]:
    if called(unit):
        key = "methods" if unit["type"] == "UNKNOWN_TYPE" else "type"
        yield Problem(
            f"{path}.{key}", f"expected none beside RANDOM_ABTEST, or a component is asked; found {unit[key]!r}"
        )
    parameters = unit.get("parameters", ())
    if parameters and [parameter.get("name") for parameter in parameters] != ["ratioA"]:
        names = [parameter.get("name", "") for parameter in parameters]
        close = next((hint for name in names if name != "ratioA" and (hint := nearest(name, ["ratioA"]))), "")
        yield Problem(
            f"{path}.parameters",
            f"expected ratioA alone, or RANDOM_ABTEST silently takes 0.5; found {', '.join(names) or 'nothing'}{close}",
        )
    for i, parameter in enumerate(parameters):
        if parameter.get("name") == "ratioA" and not _ratio(parameter.get("value", "")):
            yield Problem(
                f"{path}.parameters[{i}].value", f"expected a share from 0 to 1; found {parameter.get('value')!r}"
            )


def _children(unit: Raw, path: str) -> Iterator[Problem]:
    found = len(unit.get("children", ()))
    methods = unit.get("methods", ())
    if unit["implementation"] == "RANDOM_ABTEST" and found != 2:
        yield Problem(f"{path}.children", f"expected exactly two, for RANDOM_ABTEST draws between two; found {found}")
    elif found == 0 and (unit["type"] == "ROUTER" or "ROUTE" in methods):
        yield Problem(f"{path}.children", "expected at least one to route to; found none: it would never be asked")
    elif found == 0 and (unit["type"] == "COMBINER" or "AGGREGATE" in methods):
        yield Problem(f"{path}.children", "expected at least one to combine; found none: it would never be asked")


def _parameter(parameter: Raw, path: str) -> Iterator[Problem]:
    kind, value = parameter.get("type"), parameter.get("value")
    expected = {"INT": "a whole number", "FLOAT": "a number", "DOUBLE": "a number", "BOOL": "true or false"}
    if kind in expected and value is not None and not _converts(kind, value):
        yield Problem(f"{path}.value", f"expected {expected[kind]}, as its type {kind} says; found {value[:80]!r}")


def _converts(kind: str, value: str) -> bool:
    if kind == "BOOL":
        return value.lower() in TRUTHS
    return _number(value, int if kind == "INT" else float) is not None


def _number(value: str, kind: type[int] | type[float]) -> float | None:
    try:
        return kind(value)
    except (ValueError, OverflowError):
        return None


def _ratio(value: str) -> bool:
    number = _number(value, float)
    return number is not None and 0 <= number <= 1
