"""`promote`: the record of the version that serves, in the store, with what spoke for it."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from servelab.kubernetes import Reference
from servelab.steps import files
from servelab.steps.files import StepFailed
from servelab.steps.manifest import VERSION


def add(parser: argparse.ArgumentParser) -> None:
    """The options of `promote`."""
    parser.add_argument("--name", required=True, help="of the SeldonDeployment")
    parser.add_argument("--namespace", default="default")
    parser.add_argument("--manifest", required=True, type=Path, metavar="FILE", help="what was applied")
    parser.add_argument("--metrics", type=Path, metavar="FILE", help="what evaluate left")
    parser.add_argument("--probe", type=Path, metavar="FILE", help="what bench probe left")
    parser.add_argument("--store", required=True, type=Path, metavar="DIR", help="records are kept in DIR/promoted")
    parser.set_defaults(run=promote)


def promote(options: argparse.Namespace) -> int:
    """Write the record, in place of the one before."""
    document = files.read(options.manifest, "a SeldonDeployment")
    what, expected = Reference.of(document), Reference(options.namespace, options.name)
    if str(what) != str(expected):
        raise StepFailed(f"{options.manifest} is of {what}; expected that of {expected}")
    record = {
        "version": document["metadata"].get("labels", {}).get(VERSION),
        "promoted": datetime.now(UTC).isoformat(timespec="seconds"),
        "metrics": files.read(options.metrics, "metrics") if options.metrics else None,
        "probe": files.read(options.probe, "the result of bench probe") if options.probe else None,
        "manifest": document,
    }
    file = options.store / "promoted" / what.namespace / f"{what.name}.json"
    files.write_json(file, record)
    print(f"promoted {what} version {record['version']}: {file}")
    return 0
