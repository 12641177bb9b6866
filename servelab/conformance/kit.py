"""The whole kit: which checks there are, and how they run against servers that it boots itself."""

import contextlib
import fnmatch
import functools
import itertools
import os
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import shared_models
from servelab import strategy as strategies
from servelab.conformance import bad_input, bodies, images, lifecycle, load, pages, seed_features, seldon, versions
from servelab.conformance.answers import difference, parity, right
from servelab.conformance.check import Check, CheckFailed, Report, Result
from servelab.conformance.subject import Subject
from servelab.conformance.wire import NoReply
from servelab.errors import EnvironmentFailed, ServelabError, StartFailed
from servelab.server import Server
from servelab.start import serve
from servelab.strategy import Strategy
from shared_models import Golden, Model

GROUPS = (bad_input, bodies, seed_features, images, seldon, versions, pages, load, lifecycle)


def checks(strategy: Strategy, model: Model) -> Iterator[Check]:
    """Every check, in order; those with ``skip`` do not apply to this strategy with this model."""
    yield Check("answers/parity", lambda subject: parity(subject.server))
    for group in GROUPS:
        yield from group.checks(strategy, model)


def run(
    strategy: str | Path | Strategy,
    model: str | os.PathLike[str] = "iris",
    workers: int = 1,
    image: bool = False,
    only: Collection[str] | None = None,
    version: str | None = None,
    progress: Callable[[Result], None] | None = None,
) -> Report:
    """Start the strategy and run every check that applies; it goes on after a failure, to report them all.

    ``only`` holds patterns of check names (``v1/*``, ``*ragged*``); ``progress`` is told each result as it comes.
    Raises StrategyError and ModelError; a server that does not start is a failed check.
    """
    who = strategy if isinstance(strategy, Strategy) else strategies.load(strategy)
    what = shared_models.load(model, version)
    known = list(checks(who, what))
    wanted = [check for check in known if not only or any(fnmatch.fnmatch(check.name, pattern) for pattern in only)]
    results: list[Result] = []
    logs: list[Path] = []
    failed = False  # a server that did not start with so many workers will not with others
    for boot_workers, group in itertools.groupby(wanted, key=lambda check: check.workers or workers):
        with _Boot(
            functools.partial(serve, who, model, what.version, workers=boot_workers, image=image), failed
        ) as boot:
            for check in group:
                result = _declared(_run(check, boot), who)
                if progress:
                    progress(result)
                results.append(result)
        failed = boot.failed
        logs += boot.logs
    if not only:
        results += _unknown_deviations(who, what)
    return Report(who.name, what.name, workers, image, tuple(results), tuple(logs))


class _NotStarted(Exception):
    """The server of this boot could not be started, as an earlier check says."""


class _Boot:
    """A server that is started when a check first needs it, and anew when a check has ended it."""

    def __init__(self, start: Callable[[], Server], failed: bool) -> None:
        self._start = start
        self._subject: Subject | None = None
        self.failed = failed
        self.logs: list[Path] = []

    def subject(self) -> Subject:
        """The running server. Raises StartFailed or EnvironmentFailed, once; then _NotStarted, without another try."""
        if self.failed:
            raise _NotStarted
        if self._subject is None:
            try:
                server = self._start()
            except (StartFailed, EnvironmentFailed):
                self.failed = True
                raise
            self._subject = Subject(server, _reference(server))
            if server.log:
                self.logs.append(server.log)
        return self._subject

    def drop(self) -> None:
        """Stop the server, if there is one."""
        if self._subject is not None:
            self._subject.server.stop()
            self._subject = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.drop()


def _reference(server: Server) -> Golden:
    """What is right; for a server that answers otherwise, its own answers in their place.

    Only parity then fails, and the other checks ask whether it goes on answering as it began; an A/B test does not.
    """
    golden = right(server.strategy, server.model)
    with contextlib.suppress(ServelabError):
        answers = server.predict(golden.inputs)
        if answers.shape == golden.outputs.shape and difference(answers, golden.outputs):
            return Golden(golden.inputs, answers)
    return golden


def _run(check: Check, boot: _Boot) -> Result:
    if check.skip:
        return Result(check.name, "skip", check.skip)
    began = time.monotonic()
    problem = ""
    try:
        subject = boot.subject()
        began = time.monotonic()  # without the boot
        check.run(subject)
    except _NotStarted:
        return Result(check.name, "skip", "a server that did not start")
    except (CheckFailed, NoReply, ServelabError) as error:
        problem = str(error)
    except Exception as error:  # a fault of the check is reported like any other, and the rest still runs
        problem = f"the check itself failed: {type(error).__name__}: {error}"
    seconds = time.monotonic() - began
    with contextlib.suppress(_NotStarted, ServelabError):
        if check.ends_server or (problem and not boot.subject().predicts()):
            boot.drop()
    return Result(check.name, "fail" if problem else "pass", problem, seconds)


def _declared(result: Result, strategy: Strategy) -> Result:
    """The result in the light of the strategy's deviations: declared ones are no failure, needless ones are."""
    why = next((deviation.why for deviation in strategy.deviations if deviation.check == result.check), None)
    if why is None or result.outcome == "skip":
        return result
    if result.outcome == "fail":
        return Result(result.check, "deviation", f"{why}\n{result.message}", result.seconds)
    file = strategy.folder / "strategy.toml"
    return Result(result.check, "fail", f"this check passes: remove the deviation from {file}", result.seconds)


def _unknown_deviations(strategy: Strategy, model: Model) -> list[Result]:
    """A failure for each deviation that names no check of this model or of another that the strategy serves."""
    if not strategy.deviations:
        return []
    models = [model, *map(shared_models.load, strategy.models)]
    names = {check.name for each in models for check in checks(strategy, each)}
    problem = f"{strategy.folder / 'strategy.toml'} has a deviation for an unknown check"
    return [Result(d.check, "fail", problem) for d in strategy.deviations if d.check not in names]
