"""The same service without a server: `python batch.py < rows > answers`, a line of JSON for each row, in and out."""

import asyncio
import itertools
import sys

import orjson
from bentoml.exceptions import BadInput
from server import Classifier

ROWS = 1000  # in a call of the model


async def main() -> None:
    """Answer standard input, so many rows at a time, however long it is."""
    service, number = Classifier(), 0
    while lines := list(itertools.islice(sys.stdin.buffer, ROWS)):
        try:
            answers = await service.predict([orjson.loads(line) for line in lines])
        except (BadInput, orjson.JSONDecodeError) as error:
            sys.exit(f"lines {number + 1} to {number + len(lines)}: {error}")
        sys.stdout.buffer.writelines(orjson.dumps(row.tolist()) + b"\n" for row in answers)
        number += len(lines)


if __name__ == "__main__":
    asyncio.run(main())
