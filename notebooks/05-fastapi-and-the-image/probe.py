"""Runs the app of the working folder, and says when a model is opened, and by which process.

python probe.py import PORT    the file is imported, and its app runs, as by uvicorn app:app
python probe.py main PORT      the file runs, as by python app.py
"""

import os
import runpy
import sys
from pathlib import Path
from typing import Any

import uvicorn

from shared_models import Model

sys.path[0] = str(Path.cwd())
opened = Model.open


def told(folder: Path) -> Any:
    print("PROBE a model is opened by", os.getpid(), flush=True)
    return opened(folder)


Model.open = told

if __name__ == "__main__":
    how, port = sys.argv[1:]
    os.environ["PORT"] = port
    if how == "main":
        runpy.run_path("app.py", run_name="__main__")
    else:
        import app

        print("PROBE imported", flush=True)
        uvicorn.run(app.app, port=int(port), log_level="warning")
