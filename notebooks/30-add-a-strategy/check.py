"""The strategy of notebooks/work/30/plain keeps the contract, and the conformance kit finds nothing."""

from collections.abc import Collection, Iterator

from notebooks.course.check import Failure, Work
from servelab import conformance, strategy
from servelab.errors import StrategyError

NAME = "plain"


def check_contract(work: Work) -> Iterator[Failure]:
    """strategy.toml keeps the contract, excuses nothing, and has all its files"""
    folder = work.folder / NAME
    try:
        who = strategy.load(folder)
    except StrategyError as error:
        yield Failure(str(error), "strategy.toml; docs/contract.md lists its keys")
        return
    for file in who.required_files:
        if not (folder / file).is_file():
            yield Failure(f"expected the file {file}; found none", f"{folder}; make lesson N=30 AGAIN=1 begins anew")
    if who.deviations:
        yield Failure(f"expected no deviations; found {len(who.deviations)}", "deviations are for a library's faults")


def check_iris(work: Work) -> Iterator[Failure]:
    """serving iris, it passes the whole conformance kit"""
    yield from failed(work, "iris")


def check_mnist(work: Work) -> Iterator[Failure]:
    """serving mnist, its answers are the training framework's"""
    yield from failed(work, "mnist", ["answers/*", "v1/good", "v1/unknown-model", "pages/*"])


def failed(work: Work, model: str, only: Collection[str] | None = None) -> Iterator[Failure]:
    """Every check of the kit that fails, by name; those that end alike together, the first of them in full."""
    try:
        report = conformance.run(work.folder / NAME, model, only=only)
    except StrategyError:  # the first check has said all of it
        yield Failure("not tried: strategy.toml does not keep the contract", "the check above")
        return
    alike: dict[str, list[conformance.Result]] = {}
    for result in report.results:
        if result.outcome == "fail":
            alike.setdefault(result.message.splitlines()[-1], []).append(result)
    for results in alike.values():
        names, first = ", ".join(result.check for result in results), results[0].message
        more = f"{len(results)} checks: {names}\nthe first: " if len(results) > 1 else f"{names}: "
        yield Failure(more + first, f"server.py, and its log: {report.logs[0] if report.logs else 'none'}")
