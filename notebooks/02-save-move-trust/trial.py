"""Tries a learner's loader on every artifact of a folder: python trial.py LEARNER ARTIFACTS REPORT

Runs where scikit-learn is. REPORT becomes a JSON object: for each artifact, whether it was loaded, refused, or ended
in something else, and the message.
"""

import json
import sys
import traceback
import warnings
from pathlib import Path
from types import ModuleType

FLOWER = [[5.1, 3.5, 1.4, 0.2]]
unpickled: list[str] = []  # what opening an artifact has made Python look up


def tried(loader: ModuleType, learner: Path, artifact: Path) -> dict[str, object]:
    """What became of one artifact."""
    unpickled.clear()
    try:
        model = loader.load(artifact)
    except loader.Refused as error:
        return {"outcome": "refused", "message": str(error), "unpickled": unpickled[:1]}
    except (Exception, SystemExit) as error:
        lines = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)
                 if Path(frame.filename).is_relative_to(learner)]  # fmt: skip
        return {"outcome": "raised", "message": f"{type(error).__name__}: {error}", "line": "".join(lines[-1:])}
    answer = model.predict(FLOWER).tolist() if hasattr(model, "predict") else None
    return {"outcome": "loaded", "message": repr(model), "answer": answer}


def watch(event: str, values: tuple[object, ...]) -> None:
    """Python tells of each name that a pickle makes it look up (the audit event of pickle.Unpickler.find_class)."""
    if event == "pickle.find_class":
        unpickled.append(".".join(map(str, values)))


def main() -> None:
    """Try them all, in the order of their names."""
    learner, artifacts, report = map(Path, sys.argv[1:])
    sys.addaudithook(watch)
    warnings.simplefilter("ignore")
    sys.path.insert(0, str(learner))
    try:
        import loader
    except Exception as error:
        sys.exit(f"loader.py cannot be imported: {type(error).__name__}: {error}")

    if lacking := [name for name in ("load", "Refused") if not hasattr(loader, name)]:
        sys.exit(f"expected loader.py to have load and Refused; found no {', '.join(lacking)}")
    found = {}
    for artifact in sorted(artifacts.iterdir()):
        found[artifact.name] = tried(loader, learner, artifact)
        report.write_text(json.dumps(found), "utf-8")  # at once: the next one may never end


if __name__ == "__main__":
    main()
