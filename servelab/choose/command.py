"""`servelab choose`: asks what was not said, and prints what the answers lead to."""

import argparse
import json
import shutil
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
    parser.add_argument("--figures", type=Path, metavar="FILE",
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
    said = {question.name: getattr(options, question.name) for question in QUESTIONS if hasattr(options, question.name)}
    if options.write:
        if said or options.figures or options.json:
            raise ServelabError("--write is for docs/choosing.md, which has answers of its own: leave the others out")
        page.write()
        return 0
    measured = figures.load(options.figures or figures.FILE)
    advice = advise(_answers(said, options.json), discover().values(), measured)
    if options.json:
        print(json.dumps(show.to_dict(advice), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print(show.text(advice, min(show.WIDTH, shutil.get_terminal_size((show.WIDTH, 0)).columns)))
    return 0


def _answers(said: dict[str, Any], quiet: bool) -> Answers:
    if said or quiet:
        return Answers(**said)
    if sys.stdin.isatty() and sys.stdout.isatty():
        return ask(input)
    print("servelab: nothing was asked, as this is no terminal: these are the defaults. Say your answers as options, "
          "such as --rate 50; servelab choose --help lists them", file=sys.stderr)  # fmt: skip
    return Answers()


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
