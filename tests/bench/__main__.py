"""`make bench`, or parts of it: `make bench data`. Prints figures and writes ``bench.json``.

Each part measures what it promises beside the usual way of doing the same, in the same run.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench import app, data, generator, science
from tests.bench.app import monkey

PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "data": data.measure,
    "app": app.measure,
    "science": science.measure,
    "generator": generator.measure,
    "monkey": monkey.measure,
}


def main(wanted: list[str]) -> int:
    """Run the parts that are named, all where none is; earlier figures of the others stay."""
    unknown = [name for name in wanted if name not in PARTS]
    if unknown:
        print(f"There is no part '{unknown[0]}'; there are: {', '.join(PARTS)}.", file=sys.stderr)
        return 2
    file = Path("bench.json")
    document = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    missed = False
    for name in wanted or PARTS:
        print(f"--- {name}")
        document[name] = PARTS[name]()
        missed |= bool(document[name].get("missed"))
        file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
