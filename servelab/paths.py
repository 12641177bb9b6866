"""Where things are: the repository, and the ignored folder for environments, state and logs."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STRATEGIES = ROOT / "strategies"


def home() -> Path:
    """The folder for environments, state and logs: ``$SERVELAB_HOME``, else ``.servelab`` in the repository."""
    return Path(os.environ.get("SERVELAB_HOME") or ROOT / ".servelab").resolve()
