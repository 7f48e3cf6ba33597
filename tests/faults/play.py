"""Plays cells of the matrix and prints, as JSON, what was wrong with each: `python -m faults.play ID ...`."""

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from faults.matrix import client_cells, host_cells, provider_cells
from faults.stand import make_kit


def main(ids: Sequence[str]) -> None:
    cells = {**provider_cells(), **client_cells(), **host_cells()}
    with tempfile.TemporaryDirectory(prefix="openclaude-faults-") as name:
        folder = Path(name)
        kit = make_kit(folder)
        wrong = {}
        for each in ids:
            (folder / each).mkdir()
            wrong[each] = cells[each](kit, folder / each).wrong
    sys.stdout.write(json.dumps(wrong) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
