"""Open pickled scikit-learn models and ask each about one flower: python ask.py MODEL.PKL ...

Opening a pickle runs whatever is in it. This program looks at nothing first: do not do so.
"""

import pickle
import sys
from pathlib import Path

for name in sys.argv[1:]:
    model = pickle.loads(Path(name).read_bytes())  # noqa: S301 - it shows what happens
    print(type(model).__name__, model.predict_proba([[5.1, 3.5, 1.4, 0.2]]).round(4).tolist())
