"""Other paintings of the selected trial: more seeds, and the ceiling without a brain in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nsdviewer.session.decoding import Reconstruction
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import ViewState

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_N_SEEDS = 3
CEILING_LABEL = "from the picture"


def paint_gallery(
    workspace: Workspace, state: ViewState, reconstruction: Reconstruction
) -> tuple[tuple[str, NDArray[np.uint8]], ...]:
    """Return (label, picture): the next seeds, and the picture's own embedding painted."""
    painter = workspace.painter(state.generator)
    seeds = [state.seed + 1 + k for k in range(_N_SEEDS)]
    found = [(f"seed {s}", painter.paint(reconstruction.decoded[None], s)[0]) for s in seeds]
    ceiling = painter.paint(reconstruction.true[None], state.seed)[0]
    return (*found, (CEILING_LABEL, ceiling))
