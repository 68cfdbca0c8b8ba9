"""What pictures show, by name: COCO's categories of real stimuli, labels of simulated ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.layout import NsdRoot
from nsdviewer.data.pictures.coco import find_annotations, read_coco
from nsdviewer.data.pictures.stimuli import Stimuli
from nsdviewer.jobs import Progress


@dataclass(frozen=True)
class PictureCategories:
    """Names of what is seen in pictures.

    Attributes
    ----------
    shown
        0-based 73k id → (name, wider category: COCO's supercategory) of what the picture shows,
        each once, the largest first; pictures that nothing is known of are left out.
    """

    shown: Mapping[int, tuple[tuple[str, str], ...]] = field(default_factory=dict)

    @cached_property
    def wide(self) -> frozenset[str]:
        """The wider categories, in small letters."""
        return frozenset(wide.casefold() for pairs in self.shown.values() for _, wide in pairs)

    @cached_property
    def pictures_of(self) -> dict[str, NDArray[np.int64]]:
        """Name or wider category, in small letters → ascending 73k ids of pictures that show it."""
        found: dict[str, set[int]] = {}
        for nsd_id, pairs in self.shown.items():
            for name in {each for pair in pairs for each in pair if each}:
                found.setdefault(name.casefold(), set()).add(nsd_id)
        return {name: np.array(sorted(ids), np.int64) for name, ids in sorted(found.items())}


def pictures_by_category(
    root: NsdRoot, nsd_ids: NDArray[np.int64], coco: Path | None = None
) -> Callable[[], Mapping[str, NDArray[np.int64]]]:
    """Return what reads `PictureCategories.pictures_of` of some pictures, once and when called."""
    return cache(lambda: read_categories(Stimuli(root), np.unique(nsd_ids), coco).pictures_of)


def read_categories(
    stimuli: Stimuli,
    nsd_ids: NDArray[np.int64],
    coco: Path | None = None,
    progress: Progress | None = None,
) -> PictureCategories:
    """Return what is known of pictures; nothing where neither labels nor annotations are there.

    The first call for a root with COCO's annotations reads them: a quarter of a minute.

    Parameters
    ----------
    coco
        Folder of COCO's annotation files; the root's own places where None.

    Raises
    ------
    DataError
        If an annotation file or NSD's table of pictures is damaged.
    """
    wanted = {int(nsd_id) for nsd_id in nsd_ids}
    if stimuli.labels:
        labels = stimuli.labels.items()
        return PictureCategories(
            {i: ((label, category),) for i, (category, label) in labels if i in wanted}
        )
    root = stimuli.root
    if not find_annotations(root, coco) or not root.stim_info_file.exists():
        return PictureCategories()
    known = read_coco(root, np.array(sorted(wanted), np.int64), coco, progress)
    return PictureCategories(
        {
            i: tuple(dict.fromkeys((o.category, o.supercategory) for o in picture.objects))
            for i, picture in known.items()
            if picture.objects
        }
    )
