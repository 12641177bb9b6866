"""`servelab choose`: asks what was not said, and prints what the answers lead to."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from servelab.choose import figures, page, show
from servelab.choose.advice import advise
from servelab.choose.questions import QUESTIONS, AnswerError, Answers, Question, asked
from servelab.errors import ServelabError
from servelab.strategy import discover


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `servelab choose` its options, one for each question, and its action."""
    parser.set_defaults(run=_command)
    for question in QUESTIONS:
        text = f"{question.explained} Say {question.expected} (default: {question.default})"
        parser.add_argument(f"--{question.name}", type=_typed(question), metavar="X",
                            default=argparse.SUPPRESS, help=text.replace("%", "%%"))  # fmt: skip
    parser.add_argument("--figures", type=Path, default=figures.FILE, metavar="FILE",
                        help="your own, by bench report FOLDER --json (default: the repository's)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON instead, and ask nothing")
    parser.add_argument("--write", action="store_true", help="instead: bring docs/choosing.md up to date")


def _typed(question: Question) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            return question.parse(text)
        except AnswerError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


def _command(options: argparse.Namespace) -> int:
    if options.write:
        page.write()
        return 0
    measured = figures.load(options.figures)
    advice = advise(_answers(options), discover().values(), measured)
    if options.json:
        print(json.dumps(show.to_dict(advice), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print(show.text(advice))
    return 0


def _answers(options: argparse.Namespace) -> Answers:
    said = {question.name: getattr(options, question.name) for question in QUESTIONS if hasattr(options, question.name)}
    if not said and not options.json and sys.stdin.isatty() and sys.stdout.isatty():
        return ask(input)
    return Answers(**said)


def ask(read: Callable[[str], str]) -> Answers:
    """Ask what matters, one question after another; a bad answer is refused with what was expected, and asked again.

    `read` shows its argument and returns a typed line; an empty one is the default.
    """
    said: dict[str, Any] = {}
    while question := asked(said):
        try:
            line = read(question.prompt)
        except EOFError:
            raise ServelabError(
                f"the input ended before {question.name!r} was answered; say the rest as options: --{question.name} "
                f"{question.default}"
            ) from None
        try:
            said[question.name] = question.parse(line) if line.strip() else question.parse(question.default)
        except AnswerError as error:
            print(error)
    return Answers(**said)
