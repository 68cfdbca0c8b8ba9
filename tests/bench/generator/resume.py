"""A real training, killed with SIGKILL at random moments: does it end as if nothing had happened?"""

import random
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from nsdviewer.models.runs.run_files import read_log
from tests.models.generators.tiny import (
    curves_of,
    same_tensors,
    start,
    weights_of,
    words,
    write_pictures,
)

N_KILLS = 10
_N_IMAGES = 3_000
_SEED = 10
_SHORTEST_S, _LONGEST_S = 2.0, 12.0


def measure() -> dict[str, Any]:
    """Kill a training of each kind ten times, beside one that is left alone."""
    with tempfile.TemporaryDirectory() as name:
        kinds = ("lafite", "flow")
        figures = {kind: _kill_ten_times(kind, Path(name) / kind) for kind in kinds}
    wanted = ("ended", "weights_identical", "curves_identical")
    held = all(found[key] for found in figures.values() for key in wanted)
    return {**figures, "held": held}


def _kill_ten_times(kind: str, folder: Path) -> dict[str, Any]:
    pictures = write_pictures(folder / "pictures")
    whole, broken = folder / "whole", folder / "broken"
    alone = start(words(kind, pictures, whole, _N_IMAGES))
    rng = random.Random(_SEED)
    shown_at_kill = []

    def go_on() -> "subprocess.Popen[bytes]":
        is_begun = (broken / "plan.json").exists()
        again = ["--out", str(broken), "--resume"]
        return start(again if is_begun else words(kind, pictures, broken, _N_IMAGES))

    for _ in range(N_KILLS):
        child = go_on()
        # Some kills fall into the start, some into a step, some into a state being written.
        time.sleep(rng.uniform(_SHORTEST_S, _LONGEST_S))
        if child.poll() is not None:
            break
        child.kill()
        child.wait()
        log = read_log(broken) if broken.exists() else []
        shown_at_kill.append(int(log[-1]["n_shown"]) if log else 0)
    codes = go_on().wait(), alone.wait()
    figures = {
        "n_kills": len(shown_at_kill),
        "shown_at_kill": shown_at_kill,
        "ended": codes == (0, 0),
        "weights_identical": same_tensors(weights_of(whole), weights_of(broken)),
        "curves_identical": curves_of(whole) == curves_of(broken),
    }
    print(f"{kind}: {figures}")
    return figures
