"""Z-scored responses averaged over the repetitions of each picture, kept on disk.

For a whole cortex they are gigabytes, so they are computed and read in blocks of sites, in memory
that does not grow with their number. See `nsdviewer.data.betas.averages_files` for what is kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nsdviewer.data.betas.averages_files import (
    AveragesPlan,
    Floats,
    Ints,
    Writer,
    digest_of,
    make_plan,
    open_folder,
    read_ledger,
)
from nsdviewer.data.betas.cache_files import fingerprints, temporary_folder
from nsdviewer.data.betas.matrix import BetaMatrix, open_betas
from nsdviewer.data.betas.sites import MaskOrMasks, Sites, Voxels, sites_of, split_mask
from nsdviewer.data.betas.zscores import SessionStatistics
from nsdviewer.data.layout import SubjectFiles
from nsdviewer.data.trials.table import TrialTable
from nsdviewer.errors import DataError
from nsdviewer.jobs import PartProgress, Progress
from nsdviewer.state import BetaVersion, Space

# What the throw-away cache of a part may take on disk.
_PART_BYTES = 8_000_000_000
# Sites whose values tell one beta cache from its successor.
_N_SAMPLED = 8


@dataclass(frozen=True)
class AveragedResponses:
    """Mean z-scored responses of n_sites sites to n_images pictures, read from disk as asked for.

    It holds no data and no open file, so it goes to another process as it is.

    Attributes
    ----------
    path
        A .npy file of (n_sites, n_images) float32.
    nsd_ids
        (n_images,) ascending 0-based 73k ids.
    n_repeats
        (n_images,) number of trials averaged.
    sites
        The voxels or vertices.
    """

    path: Path
    nsd_ids: Ints
    n_repeats: Ints
    sites: Sites

    @property
    def n_images(self) -> int:
        """Number of pictures."""
        return len(self.nsd_ids)

    @property
    def n_sites(self) -> int:
        """Number of voxels or vertices."""
        return len(self.sites)

    def block(self, columns: slice) -> Floats:
        """Return (n_images, n) responses of consecutive sites; 0 where a site has no data.

        The array is a copy that may be written to; in memory it is laid out site after site.

        Raises
        ------
        DataError
            If the file is gone or cut off.
        """
        start, stop, step = columns.indices(self.n_sites)
        if step != 1:
            return self.at(np.arange(start, stop, step))
        n_values = max(0, stop - start) * self.n_images
        offset = self._mapped().offset + 4 * start * self.n_images
        values = np.fromfile(self.path, np.float32, n_values, offset=offset)
        return values.reshape(-1, self.n_images).T

    def at(self, columns: Ints) -> Floats:
        """Return (n_images, n) responses of any sites, in the order of `columns`."""
        return np.asarray(self._mapped()[np.asarray(columns)]).T

    def whole(self) -> Floats:
        """Return (n_images, n_sites), all of it in memory."""
        return self.block(slice(None))

    def _mapped(self) -> Any:
        """Return the file's memory map, for one call only: what was read of it counts as ours."""
        try:
            mapped = np.load(self.path, mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise DataError(
                f"The averaged responses {self.path} cannot be read ({error}); open the subject "
                "again to make them anew."
            ) from error
        if mapped.shape != (self.n_sites, self.n_images) or mapped.dtype != np.float32:
            raise DataError(
                f"The averaged responses {self.path} are not those of {self.n_sites} sites and "
                f"{self.n_images} pictures; open the subject again to make them anew."
            )
        return mapped


def build_averages(
    betas: BetaMatrix,
    table: TrialTable,
    train_trials: Ints,
    which_trials: Mapping[str, Ints],
    folder: Path,
    progress: Progress,
) -> tuple[SessionStatistics, dict[str, AveragedResponses]]:
    """Z-score per session with training trials and average the pictures of each split.

    One pass over the responses, in memory that does not grow with their number. Kept until one of
    these changes: the betas' files, the mask, the trials.

    Parameters
    ----------
    train_trials
        Trials that give each session's mean and deviation.
    which_trials
        Per split, the trials whose pictures are averaged; the split's name becomes a file's.
    folder
        The subject's folder for caches; a folder ``averages_…`` is made in it.

    Raises
    ------
    RequestError
        If a split has no trials, or names one that the betas do not have.
    DataError
        If the folder cannot be written.
    Cancelled
        If `progress` says so; nothing is left behind.
    """
    plan = make_plan(
        table, train_trials, which_trials, betas.sites, _source_of(betas), len(betas.by_trial)
    )
    return _opened(plan, *open_folder(folder, plan, lambda writer: writer.add(betas, progress)))


def stream_averages(
    files: SubjectFiles,
    space: Space,
    version: BetaVersion,
    mask: MaskOrMasks,
    table: TrialTable,
    train_trials: Ints,
    which_trials: Mapping[str, Ints],
    progress: Progress,
) -> tuple[SessionStatistics, dict[str, AveragedResponses]]:
    """Do what `build_averages` does where the responses are too many to keep on disk.

    They are read in parts, each through a cache that is thrown away; only the averages stay, in
    the subject's folder for caches.

    Raises
    ------
    RequestError
        If the mask is empty, a split has no trials, or names one that the betas do not have.
    DataError
        If a file is damaged, or there is no room beside the subject's other caches.
    """
    sites = sites_of(mask)
    source = _source_of_files(files, space, version, mask)
    plan = make_plan(table, train_trials, which_trials, sites, source, len(table))
    # In two orders, of int16 or on fsaverage of float32.
    n_bytes = 2 * len(table) * (4 if space is Space.FSAVERAGE else 2)
    parts = split_mask(mask, max(1, _PART_BYTES // n_bytes))

    def fill(writer: Writer) -> None:
        for number, part in enumerate(parts):
            start, stop = number / len(parts), (number + 1) / len(parts)
            middle = (2 * start + stop) / 3
            with temporary_folder(files.cache) as place:
                reading = PartProgress(progress, start, middle)
                betas = open_betas(files, space, version, part, reading, place)
                writer.add(betas, PartProgress(progress, middle, stop))
                del betas

    return _opened(plan, *open_folder(files.cache, plan, fill))


def _opened(
    plan: AveragesPlan, folder: Path, statistics: SessionStatistics
) -> tuple[SessionStatistics, dict[str, AveragedResponses]]:
    return statistics, {
        name: AveragedResponses(folder / f"{name}.npy", s.nsd_ids, s.n_repeats, plan.sites)
        for name, s in plan.splits.items()
    }


def _source_of(betas: BetaMatrix) -> dict[str, Any]:
    """Return what the betas were made from: their cache's ledger, else a digest of all values."""
    mapped = betas.by_site.base
    if isinstance(mapped, np.memmap) and mapped.filename is not None:
        ledger = read_ledger(Path(mapped.filename).parent)
        if ledger is not None:
            # The ledger may be of a later cache that came into the place of the one mapped here.
            # Neighbours, for each far place of the map draws megabytes of it into memory.
            middle = betas.n_voxels // 2
            values = np.ascontiguousarray(betas.by_site[:, middle : middle + _N_SAMPLED])
            return {**ledger, "sample": digest_of(values, np.array(betas.valid))}
    scale = np.float64(betas.stored_per_psc)
    return {"values": digest_of(np.ascontiguousarray(betas.by_site), np.array(betas.valid), scale)}


def _source_of_files(
    files: SubjectFiles, space: Space, version: BetaVersion, mask: MaskOrMasks
) -> dict[str, Any]:
    masks = mask.items() if isinstance(mask, Mapping) else [(None, mask)]
    told = [str((h and h.value, m.shape)).encode() + np.packbits(m).tobytes() for h, m in masks]
    paths: dict[int, list[Path]] = {}
    for file in files.beta_files(space, version):
        paths.setdefault(file.session, []).append(file.path)
    if isinstance(sites_of(mask), Voxels):
        for session, here in paths.items():
            here += [p for p in (files.valid_mask(space, session),) if p.exists()]
    return {
        "subject": files.number,
        "space": space.value,
        "version": version.value,
        "mask": digest_of(*told),
        "sessions": {str(s): fingerprints(here) for s, here in paths.items()},
    }
