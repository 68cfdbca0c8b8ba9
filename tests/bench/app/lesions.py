"""The laws of the virtual lesion, against decoding done by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from nsdviewer.session.decoding import decode_groups, mean_responses
from nsdviewer.session.scaling import site_factors
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import ViewState

_REGIONS = ("floc-faces", "floc-places", "prf-visualrois", "prf-visualrois:V1v", "FFA-1")


def lesion_laws(workspace: Workspace, state: ViewState) -> dict[str, Any]:
    """Return how far a silenced region is from its voxels at their training mean.

    Factor 1 has to give the very same bits as no scaling at all.
    """
    decoder = workspace.decoder(state.decoder)
    trials = workspace.table.select("shared")[:40]
    groups = [np.array([trial]) for trial in trials]
    untouched = decode_groups(workspace, groups, state.decoder)
    z = np.nan_to_num(mean_responses(workspace, groups, decoder))
    farthest, same, n_regions = 0.0, True, 0
    for name in _REGIONS:
        inside = workspace.inside(name, decoder.sites)
        if not inside.any() or inside.all():
            continue
        n_regions += 1
        silenced = state.replace(scaling=((name, 0.0),))
        found = decode_groups(
            workspace, groups, state.decoder, site_factors(workspace, silenced, decoder.sites)
        )
        by_hand = z.copy()
        by_hand[:, inside] = 0.0
        farthest = max(farthest, float(np.abs(found - decoder.decode(by_hand)).max()))
        left = state.replace(scaling=((name, 1.0),))
        again = decode_groups(
            workspace, groups, state.decoder, site_factors(workspace, left, decoder.sites)
        )
        same &= bool((again == untouched).all())
    return {
        "n_regions": n_regions,
        "silenced_farthest": farthest,
        "one_is_untouched": same,
        "holds": bool(n_regions and farthest < 1e-6 and same),
    }
