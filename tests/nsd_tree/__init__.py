"""A tiny tree of files in the exact formats of the Natural Scenes Dataset.

Written from a specification of the dataset's files alone, and knowing nothing of nsdviewer: what
our readers say about these files is compared with the truth that `build_tree` returns. Everything
in the files is drawn from a seed.
"""

from .betas import BetaTruth
from .damage import scribble, truncate
from .design import Design
from .stimuli import picture
from .subjects import TinySubject
from .tree import B2, B3, TinyTree, build_tree
from .volumes import SpaceTruth

__all__ = [
    "B2",
    "B3",
    "BetaTruth",
    "Design",
    "SpaceTruth",
    "TinySubject",
    "TinyTree",
    "build_tree",
    "picture",
    "scribble",
    "truncate",
]
