"""What every shipped generator makes of photographs that it was never trained on."""

import time
from pathlib import Path
from typing import Any

from nsdviewer.errors import CheckpointError
from nsdviewer.evaluation.assessment import Assessment, Road, Searched
from nsdviewer.evaluation.generator_features import AssessmentFeatures
from nsdviewer.evaluation.generator_pictures import read_picture_folder
from nsdviewer.evaluation.generators import assess_generator
from nsdviewer.jobs import SilentProgress
from nsdviewer.models.checkpoints import read_header
from nsdviewer.models.painting import load_painter
from nsdviewer.models.registry import load_embedding
from nsdviewer.resources import resource_path

KINDS = ("lafite", "flow")
TWO_WAY, CHANCE, CHANCE_WIDTH, NEAREST, NEAREST_WIDTH = 0.85, 0.5, 0.05, 0.98, 0.01


def measure(seed: int = 0) -> dict[str, Any]:
    """Measure and print; returns the figures by generator file."""
    training, held_out = read_picture_folder(resource_path("photographs"))
    features = AssessmentFeatures.on_this_machine()
    figures: dict[str, Any] = {}
    for file in shipped_generators():
        start = time.perf_counter()
        painter = load_painter(file, "cpu")
        found = assess_generator(
            painter, load_embedding(painter.embedding), held_out, training, seed,
            SilentProgress(), features,
        )  # fmt: skip
        print("\n".join(found.sentences))
        _print_wanted(found)
        figures[file.name] = {
            **found.to_document(),
            "seconds": time.perf_counter() - start,
            "reached": reached(found),
        }
    held = all(all(found["reached"].values()) for found in figures.values())
    return {**figures, "held": held}


def shipped_generators() -> list[Path]:
    """Return the generator files that come with the program."""
    files = []
    for file in sorted(resource_path("weights").glob("*.safetensors")):
        try:
            kind = read_header(file).get("kind")
        except CheckpointError:  # tensors without a header, such as the classes of ConSE
            continue
        if kind in KINDS:
            files.append(file)
    return files


def reached(found: Assessment) -> dict[str, bool]:
    """Say which of the wanted figures there are."""
    return {
        "two_way": found.two_way >= TWO_WAY,
        "shuffled": abs(found.shuffled.painted_anew - CHANCE) <= CHANCE_WIDTH,
        "nearest": abs(found.roads[Road.NEAREST].two_way - NEAREST) <= NEAREST_WIDTH,
    }


def _print_wanted(found: Assessment) -> None:
    rows = (
        ("two-way identification", found.two_way, f"≥ {TWO_WAY:.0%}", "two_way"),
        (
            "shuffled embeddings",
            found.shuffled.painted_anew,
            f"{CHANCE:.0%} ± {CHANCE_WIDTH:.0%}",
            "shuffled",
        ),
        (
            "nearest training photograph",
            found.roads[Road.NEAREST].two_way,
            f"{NEAREST:.0%} ± {NEAREST_WIDTH:.0%}",
            "nearest",
        ),
    )
    held = reached(found)
    for name, value, wanted, key in rows:
        print(f"{name:32} {value:6.1%}   wanted {wanted:10} {'yes' if held[key] else 'NO'}")
    close = found.shares_close[Searched.OUTPUTS]
    print(f"{'closer to a photograph than':28}{found.threshold.distance:.2f} {close:5.1%}")


if __name__ == "__main__":
    measure()
