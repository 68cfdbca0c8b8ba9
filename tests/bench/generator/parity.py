"""Whether layers and losses equal their slow references, forward and gradient, to 1e-5."""

import subprocess
import sys
from typing import Any

_FOLDER = "tests/models/lafite"


def measure() -> dict[str, Any]:
    """Run the tests of layers and losses; returns what they came to."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", _FOLDER],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    result = done.stdout.strip().splitlines()[-1]
    print(f"{_FOLDER}: {result}")
    return {"tests": _FOLDER, "result": result, "held": done.returncode == 0}
