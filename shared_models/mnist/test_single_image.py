"""Which digit is in this image? ``python test_single_image.py --image_path 1.jpg``"""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[0] = str(HERE.parents[1])  # run as a script, from any folder: the repository is what has to be importable

from shared_models import InvalidInput, ModelError, load  # noqa: E402
from shared_models.mnist import sentence  # noqa: E402


def main() -> None:
    """Print the digit; an error is one line, and exit code 2."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image_path", required=True, type=Path, help="an image file, or the name of one in samples/")
    path: Path = parser.parse_args().image_path
    try:
        model = load("mnist")
        image = model.preprocess((path if path.exists() else HERE / "samples" / path).read_bytes())
    except OSError as error:
        parser.exit(2, f"{path}: {error.strerror}: expected an image file, or one of {_samples()}\n")
    except (InvalidInput, ModelError) as error:
        parser.exit(2, f"{path}: {error}\n")
    print(sentence(model.labels[model.predict(image[None]).argmax()]))


def _samples() -> str:
    return ", ".join(sorted(sample.name for sample in (HERE / "samples").iterdir()))


if __name__ == "__main__":
    main()
