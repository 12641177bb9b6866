"""What is wrong with a manifest, as values; and the one error that lists them all."""

from collections.abc import Iterable
from dataclasses import dataclass

from servelab.errors import ServelabError

# Of more problems than a reader would take in, the number is told.
SHOWN = 50


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: where (``spec.predictors[0].graph.children[1].type``), what was expected, found and perhaps meant."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class ManifestError(ServelabError):
    """A manifest is no SeldonDeployment that Seldon would run; the message lists every problem by file and path."""

    def __init__(self, where: str, problems: Iterable[Problem]) -> None:
        self.where, self.problems = where, tuple(problems)
        if len(self.problems) == 1:
            message = ": ".join(filter(None, (where, str(self.problems[0]))))
        else:
            head = f"{where}: {len(self.problems)} problems" if where else f"{len(self.problems)} problems"
            more = [f"and {len(self.problems) - SHOWN} more"] if len(self.problems) > SHOWN else []
            message = "\n  ".join([head, *map(str, self.problems[:SHOWN]), *more])
        super().__init__(message)
