"""Figures of a simulated subject against its planted truth."""

import numpy as np

from nsdviewer.data.simulate import load_truth
from nsdviewer.evaluation.metrics import two_way_identification
from nsdviewer.session.concepts import concept_map, direction_of
from nsdviewer.session.decoding import decode_groups
from nsdviewer.session.workspace import Workspace

SEED = 0
N_SHUFFLES = 20


def demo_figures(workspace: Workspace) -> dict[str, float]:
    """Return how well held-out pictures and the planted map are recovered."""
    ids = workspace.table.column("nsd_id")
    test = workspace.table.select("test:full-40")
    pictures = np.unique(ids[test])
    decoded = decode_groups(workspace, [test[ids[test] == i] for i in pictures])
    true = workspace.image_embeddings(pictures)
    painter = workspace.painter()
    painted = painter.paint(decoded, SEED)
    again = workspace.embedding.encode_images(list(painted))
    ceiling = workspace.embedding.encode_images(list(painter.paint(true, SEED)))
    return {
        "seed": SEED,
        "n_test_images": len(pictures),
        "embedding_two_way": two_way_identification(true, decoded),
        "reconstruction_two_way": two_way_identification(true, again),
        "true_embedding_two_way": two_way_identification(true, ceiling),
        "shuffled_two_way": shuffled_two_way(true, again),
        "animal_map_r": planted_map_r(workspace, "animal"),
        "tool_map_r": planted_map_r(workspace, "tool"),
    }


def shuffled_two_way(true: np.ndarray, again: np.ndarray) -> float:
    """Mean identification when each picture is painted from another picture's brain."""
    rng = np.random.default_rng(SEED)
    shares = []
    for _ in range(N_SHUFFLES):
        shift = int(rng.integers(1, len(true)))
        order = rng.permutation(len(true))
        # A cyclic shift of a random order leaves nobody with its own.
        source = np.empty_like(order)
        source[order] = np.roll(order, shift)
        shares.append(two_way_identification(true, again[source]))
    return float(np.mean(shares))


def planted_map_r(workspace: Workspace, concept: str, floor_pct: float = 10.0) -> float:
    """Correlate a concept's map with the planted one over voxels above a noise ceiling."""
    truth = load_truth(workspace.root.path, workspace.subject)
    shown = concept_map(workspace, concept, floor_pct)
    planted = np.zeros(workspace.grid)
    planted[tuple(truth.ijk.T)] = truth.concept_map(direction_of(workspace, concept))
    values = planted[tuple(shown.ijk[shown.shown].T)]
    return float(np.corrcoef(values, shown.values[shown.shown])[0, 1])
