"""Show what is in a saved model: python inside.py FOLDER, where FOLDER holds model.pkl and model.onnx of our own."""

import io
import pickle
import sys
from pathlib import Path
from typing import Any

import onnx

folder = Path(sys.argv[1])


class Listing(pickle.Unpickler):
    """Unpickles, and says what the pickle asks Python for."""

    def find_class(self, module: str, name: str) -> Any:
        print(f"  import {name} from {module}")
        return super().find_class(module, name)


print("to open model.pkl, Python must:")
model = Listing(io.BytesIO((folder / "model.pkl").read_bytes())).load()
print("  and give the object the attributes:", ", ".join(vars(model)))
print("model.onnx is:")
print(onnx.printer.to_text(onnx.load(folder / "model.onnx")))
