"""See what a person saw beside what their brain says they saw.

The library's front door is `open_nsd`. Names are loaded when they are asked for: the window and the
command line have more urgent things to load first.
"""

from importlib import import_module
from typing import Any

_PLACES = {
    "BetaMatrix": "nsdviewer.data.betas.matrix",
    "BetaVersion": "nsdviewer.state",
    "Hemisphere": "nsdviewer.state",
    "Layer": "nsdviewer.data.spaces.layers",
    "Nsd": "nsdviewer.data.nsd",
    "Reliability": "nsdviewer.data.betas.reliability",
    "Space": "nsdviewer.state",
    "Subject": "nsdviewer.data.nsd",
    "TrialTable": "nsdviewer.data.trials.table",
    "noise_ceiling": "nsdviewer.data.betas.reliability",
    "open_nsd": "nsdviewer.data.nsd",
    "verify": "nsdviewer.data.verify.verification",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"nsdviewer has no '{name}'; it has {', '.join(_PLACES)}.")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return list(_PLACES)
