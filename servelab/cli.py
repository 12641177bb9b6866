"""The ``servelab`` command: serve, predict, list, conflicts, conformance, doctor, and what the Makefile needs."""

import argparse
from pathlib import Path

import orjson

import shared_models
from servelab import (
    catalogue,
    client,
    command,
    conflicts,
    conformance,
    doctor,
    environment,
    finding,
    scaffold,
    strategy as strategies,
)
from servelab.choose import command as choose
from servelab.errors import ServelabError
from servelab.graph import command as graph_command
from servelab.start import serve
from servelab.steps import command as steps
from shared_models.mnist import sentence


def main() -> None:
    """Run one command."""
    options = _parser().parse_args()
    command.run("servelab", lambda: int(options.run(options)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="servelab", description="Serve one model in many ways behind one client.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serving = commands.add_parser("serve", help="run a strategy in the foreground until Ctrl-C")
    serving.add_argument("strategy")
    _add_model(serving)
    serving.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine alone)")
    serving.add_argument("--port", type=int, help="default: the strategy's own")
    serving.add_argument("--workers", type=int, default=1)
    serving.add_argument("--image", action="store_true", help="run its container image instead of its environment")
    serving.set_defaults(run=_serve)

    predict = commands.add_parser("predict", help="answer one input, in this process or by a running server")
    what = predict.add_mutually_exclusive_group(required=True)
    what.add_argument("--image", type=Path, help="an image file: prints the label")
    what.add_argument("--instances", help="a batch as JSON, such as '[[5.1, 3.5, 1.4, 0.2]]': prints labels")
    _add_model(predict)
    predict.add_argument("--url", help="a running server that speaks V1, such as http://127.0.0.1:8001")
    predict.set_defaults(run=_predict)

    listing = commands.add_parser("list", help="the strategies, from their folders")
    listing.add_argument("--markdown", action="store_true", help="the table of the docs")
    listing.add_argument("--write", action="store_true", help="put that table into docs/strategies.md")
    listing.set_defaults(run=_list)

    choose.add(commands.add_parser("choose", help="which strategy fits? questions, and measured figures"))

    shared = commands.add_parser("conflicts", help="ask uv which serving libraries can share an environment (minutes)")
    shared.add_argument("--markdown", action="store_true", help="the section of the docs")
    where = shared.add_mutually_exclusive_group()
    where.add_argument("--write", action="store_true", help="put that section into docs/environments.md")
    where.add_argument(
        "--cases", type=Path, default=conflicts.CASES, help="other questions, in a file of the same form"
    )
    shared.set_defaults(run=_conflicts)

    graph_command.add_to(commands)

    check = commands.add_parser("conformance", help="check a strategy by real requests")
    check.add_argument("strategy")
    _add_model(check, default_model="every model of the strategy")
    check.add_argument("--workers", type=int, default=1)
    check.add_argument("--image", action="store_true", help="check its container image")
    check.add_argument("--only", nargs="+", metavar="PATTERN", help="checks by name, such as 'v1/*' '*ragged*'")
    check.set_defaults(run=_conformance)

    health = commands.add_parser("doctor", help="what this machine has, and what is missing for what")
    health.add_argument("strategies", nargs="*", help="names or folders of strategies that must be able to serve")
    health.add_argument("--json", action="store_true", help="for programs: ok, and every finding")
    health.set_defaults(run=_doctor)

    new = commands.add_parser("new-strategy", help="a new strategy folder, a working copy of another")
    new.add_argument("name")
    new.add_argument("--like", default="flask", help="the strategy to start from (default: flask)")
    new.set_defaults(run=_new)

    env = commands.add_parser("env", help="build an environment and print its Python")
    env.add_argument("name", help="a strategy, or pipelines/v1 or pipelines/v2")
    env.set_defaults(run=_env)

    image = commands.add_parser("image", help="build a strategy's container image")
    image.add_argument("strategy")
    image.set_defaults(run=_image)

    steps.add(commands.add_parser("step", help="one step of a pipeline: files in, files out"))

    train = commands.add_parser("train", help="retrain the shared models in their own environment")
    train.add_argument("models", nargs="*", help="default: all")
    train.set_defaults(run=_train)
    return parser


def _add_model(parser: argparse.ArgumentParser, default_model: str = "the strategy's first, or mnist") -> None:
    parser.add_argument("--model", help=f"a shared model or a folder with one (default: {default_model})")
    parser.add_argument("--version", help="the model's version (default: its first)")


def _serve(options: argparse.Namespace) -> int:
    who = strategies.load(options.strategy)
    with serve(
        who, options.model or who.models[0], options.version, options.workers, options.host,
        who.port if options.port is None else options.port, options.image, log=False,
    ) as running:  # fmt: skip
        chosen = options.version is None and any("{pinned}" in value for value in who.env.values())
        what = running.model.name + (
            " in the version that it chooses (its log says which)" if chosen else f" version {running.model.version}"
        )
        print(f"{who.title} serves {what} on {running.url} (Ctrl-C stops it)", flush=True)
        return running.wait()


def _predict(options: argparse.Namespace) -> int:
    model = shared_models.load(options.model or "mnist", options.version)
    if options.image:
        try:
            data = options.image.read_bytes()
        except OSError as error:
            raise ServelabError(f"expected an image file; cannot read {options.image}: {error.strerror}") from None
        batch = model.preprocess(data)[None]
    else:
        try:
            batch = orjson.loads(options.instances)
        except orjson.JSONDecodeError as error:
            raise ServelabError(f"expected --instances as JSON, such as '[[5.1, 3.5, 1.4, 0.2]]'; {error}") from None
    if options.url:
        with client.Client(options.url, "v1", model) as remote:
            probabilities = remote.predict(batch)
    else:
        probabilities = model.predict(batch)
    for row in probabilities:
        print(sentence(model.labels[int(row.argmax())]))
    return 0


def _list(options: argparse.Namespace) -> int:
    if options.write:
        catalogue.write()
    print(catalogue.markdown() if options.markdown else catalogue.text())
    return 0


def _conflicts(options: argparse.Namespace) -> int:
    answers = conflicts.ask(options.cases)
    section = conflicts.markdown(answers, options.cases)
    if options.write:
        conflicts.write(section)
    print(section if options.markdown else conflicts.text(answers))
    return 0


def _conformance(options: argparse.Namespace) -> int:
    who = strategies.load(options.strategy)
    reports = []
    for model in (options.model,) if options.model else who.models:
        reports.append(
            conformance.run(who, model, options.workers, options.image, options.only, options.version, _show)
        )
        print(reports[-1].summary(), flush=True)
    return 0 if all(report.ok for report in reports) else 1


def _show(result: conformance.Result) -> None:
    if result.outcome != "skip":
        print(conformance.line(result), flush=True)


def _doctor(options: argparse.Namespace) -> int:
    findings = doctor.examine(options.strategies)
    print(finding.to_json(findings) if options.json else finding.render(findings))
    return 0 if finding.fine(findings) else 1


def _new(options: argparse.Namespace) -> int:
    print(scaffold.create(options.name, options.like))
    return 0


def _env(options: argparse.Namespace) -> int:
    print(environment.named(options.name).ensure())
    return 0


def _image(options: argparse.Namespace) -> int:
    from servelab import container  # on use: the engine's SDK is slow to import

    who = strategies.load(options.strategy)
    container.build(who)
    print(container.tag(who))
    return 0


def _train(options: argparse.Namespace) -> int:
    return environment.train(options.models)
