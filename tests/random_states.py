"""Random views that a subject can show, with names and folders as unfriendly as people make them."""

from __future__ import annotations

import random
from dataclasses import fields
from typing import Any

from nsdviewer.session.workspace import Workspace
from nsdviewer.state import (
    BenchRow,
    Hemisphere,
    LayerChoice,
    Null,
    Patch,
    Reading,
    Sides,
    Theme,
    Thresholding,
    TrialsAs,
    Underlay,
    Unfolding,
    ViewState,
)

CONCEPTS = (
    "animal - tool", "animal", '"a bird\'s nest" - tool', '0.5*"a dog, & a \'cat\'" + 0.25*car',
    '"$HOME `id` $(id) !! %PATH% ^& | > < ; # ~ * ? [a] {b} \\\\"',
    "-1*tool + animal", '"a café — a dog 犬"',
    "",
)  # fmt: skip
SEARCHES = ("", "a small bird on a branch", 'it\'s "odd"; & = $x', "image:3", "ein Fußgänger")
# What makes no figure differently still has to come back: the list's look and what the bench shows.
HOME_FIELDS = frozenset({"root", "subject", "space", "version", "embedding"})


def random_state(rng: random.Random, workspace: Workspace, first: ViewState) -> ViewState:
    """Return a view of the workspace in which every field may differ from the first view's."""
    trials = [int(t) for t in rng.sample(range(len(workspace.table)), rng.randint(0, 4))]
    voxel = rng.choice([None, tuple(rng.randrange(n) for n in workspace.grid)])
    changes: dict[str, Any] = {
        "trials": tuple(trials), "average_repeats": rng.random() < 0.5,
        "concept": rng.choice(CONCEPTS), "reading": rng.choice(list(Reading)),
        # A test takes a thousand permutations.
        "statistic": rng.choice(["none", "none", "none", "p:0.001"]), "null": rng.choice(list(Null)),
        "noise_ceiling_floor_pct": rng.choice([0.0, 10.0, 33.3]), "layers": _layers(rng),
        "morph": rng.choice([0.0, 1.0, 2.0, rng.random() * 2]),
        "unfolding": rng.choice(list(Unfolding)), "hemispheres": rng.choice(list(Sides)),
        "roi_collections": tuple(rng.sample(workspace.collections, rng.randint(0, 2))),
        "bar_collections": tuple(rng.sample(workspace.collections, rng.randint(0, 3))),
        "roi_labels": rng.random() < 0.5, "underlay": rng.choice(list(Underlay)),
        "slice_zoom": rng.choice([1.0, 2.441, 16.0]), "voxel": voxel,
        "vertex": None if voxel is None else rng.choice([None, (rng.choice(list(Hemisphere)), 17)]),
        "patches": _patches(rng), "scaling": _scaling(rng),
        "camera": rng.choice([(), tuple(_camera(rng))]), "search": rng.choice(SEARCHES),
        "subset": rng.choice(["all", "shared", "session:1", "shared & run:1-3"]),
        "trials_as": rng.choice(list(TrialsAs)), "bench": rng.choice(list(BenchRow)),
        "seed": rng.choice([0, 1, 9999]), "theme": rng.choice(list(Theme)),
    }  # fmt: skip
    return first.replace(**changes)


def varied_fields() -> frozenset[str]:
    """Return the fields that `random_state` draws."""
    models = {"decoder", "encoder", "generator"}
    return frozenset(f.name for f in fields(ViewState)) - HOME_FIELDS - models


def _layers(rng: random.Random) -> tuple[LayerChoice, ...]:
    names = ["concept", "noise-ceiling", "encoder-r", "file:/no where/it's ünder, [1].nii"]
    sources = rng.sample(names, rng.randint(0, 3))
    return tuple(
        LayerChoice(
            source, rng.random() < 0.8, rng.choice([1.0, 0.35]), rng.choice([None, 0.125, 3.0]),
            rng.choice([0.0, 0.01]), rng.choice(list(Thresholding)), rng.choice(["", "crameri:vik"]),
        )
        for source in sources
    )  # fmt: skip


def _patches(rng: random.Random) -> tuple[Patch, ...]:
    return tuple(
        Patch(name, rng.choice(list(Hemisphere)), tuple(sorted(rng.sample(range(150), 12))))
        for name in rng.sample(["patch-1", "größe_2", "领域"], rng.randint(0, 2))
    )


def _scaling(rng: random.Random) -> tuple[tuple[str, float], ...]:
    regions = ["nsdgeneral & floc-faces", "nsdgeneral"]
    return tuple(
        (each, rng.choice([0.0, 0.1, 2.0])) for each in rng.sample(regions, rng.randint(0, 2))
    )


def _camera(rng: random.Random) -> list[float]:
    """Return a camera that sees the brain, with the odd decimals that turning leaves."""
    focal = [rng.uniform(-5, 5) for _ in range(3)]
    away = [rng.uniform(100, 500) for _ in range(3)]
    return [
        *(f + a for f, a in zip(focal, away, strict=True)),
        *focal,
        0.0,
        0.0,
        1.0,
        rng.uniform(50, 200),
    ]
