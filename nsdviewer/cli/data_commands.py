"""Commands that read a tree and write what is in it."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.betas.matrix import BetaMatrix
from nsdviewer.data.betas.sites import MaskOrMasks, Vertices
from nsdviewer.data.formats.volumes import write_mgh, write_volume
from nsdviewer.data.inventory import inventory
from nsdviewer.data.nsd import Subject, open_nsd
from nsdviewer.errors import RequestError
from nsdviewer.files import atomic_path, beside, write_json
from nsdviewer.jobs import StreamProgress
from nsdviewer.state import BetaVersion, Space


def open_subject(arguments: argparse.Namespace) -> tuple[Subject, Space, BetaVersion]:
    """Return the subject, space and version that a command's common options name."""
    subject = open_nsd(arguments.root).subject(arguments.subject)
    return subject, Space(arguments.space), BetaVersion.parse(arguments.version)


def require_suffix(path: Path, *suffixes: str) -> None:
    """Raise `RequestError` unless `path` ends in one of `suffixes`."""
    if not path.name.lower().endswith(suffixes):
        raise RequestError(f"The output ends in {' or '.join(suffixes)}; {path.name} does not.")


def sidecar_of(out: Path) -> Path:
    """Return the JSON file that says beside `out` how it was made."""
    return beside(out, (".nii.gz", out.suffix))


def run_betas(arguments: argparse.Namespace) -> int:
    """Write responses of some trials and voxels."""
    require_suffix(arguments.out, ".npz")
    subject, space, version = open_subject(arguments)
    table = subject.trials(space, version)
    trials = table.select(arguments.trials)
    table.require(tuple(trials.tolist()))
    roi = arguments.roi or ("all" if space is Space.MNI else "nsdgeneral")
    betas = subject.betas(roi, space, version, StreamProgress())
    columns: dict[str, Any] = {
        name: table.column(name)[trials]
        for name in ("session", "run", "nsd_id", "image_10k", "repetition")
    }
    with atomic_path(arguments.out) as path, path.open("wb") as stream:
        arrays = {"betas": betas.psc(trials), "trial": trials, **_places(betas), **columns}
        arrays |= {k: np.array(v) for k, v in _origin(subject, space, version).items()}
        np.savez(stream, **arrays)
    print(arguments.out)
    return 0


def _origin(subject: Subject, space: Space, version: BetaVersion) -> dict[str, Any]:
    """Return what a file of responses was read from."""
    return {
        "subject": subject.number,
        "space": space.value,
        "version": version.value,
        "simulated": subject.files.root.is_simulated,
    }


def _places(betas: BetaMatrix) -> dict[str, NDArray[Any]]:
    """Return the voxel of each column, or its vertex and hemisphere."""
    if not isinstance(betas.sites, Vertices):
        return {"ijk": betas.ijk}
    by_hemisphere = betas.sites.vertex.items()
    return {
        "vertex": np.concatenate([vertices for _, vertices in by_hemisphere]),
        "hemisphere": np.concatenate([np.full(len(v), h.value) for h, v in by_hemisphere]),
    }


def run_trials(arguments: argparse.Namespace) -> int:
    """Write the trial table, with what is known of each picture."""
    require_suffix(arguments.out, ".csv")
    subject, space, version = open_subject(arguments)
    table = subject.trials(space, version, with_pictures=True, coco=arguments.coco)
    table.write_csv(arguments.out)
    print(arguments.out)
    return 0


def run_ncsnr(arguments: argparse.Namespace) -> int:
    """Write reliability recomputed from the betas, NaN where it is undefined."""
    subject, space, version = open_subject(arguments)
    is_surface = space in (Space.FSAVERAGE, Space.NATIVESURFACE)
    suffixes = (".mgh", ".mgz") if is_surface else (".nii.gz", ".nii")
    require_suffix(arguments.out, *suffixes)
    roi = "all" if is_surface or space is Space.MNI else "brainmask"
    values = subject.reliability(roi, space, version, StreamProgress()).ncsnr
    for path in _write_sites(arguments.out, subject.mask(roi, space), values, subject, space):
        print(path)
    sidecar = sidecar_of(arguments.out)
    write_json(sidecar, {"what": "ncsnr recomputed", **_origin(subject, space, version)})
    print(sidecar)
    return 0


def _write_sites(
    out: Path, mask: MaskOrMasks, values: NDArray[np.float32], subject: Subject, space: Space
) -> list[Path]:
    """Write one value a site: a volume, or ``lh.`` and ``rh.`` maps; NaN elsewhere."""
    if not isinstance(mask, Mapping):
        volume = np.full(mask.shape, np.nan, np.float32)
        volume[mask] = values
        write_volume(out, volume, subject.affine(space))
        return [out]
    written, start = [], 0
    for hemisphere, vertices in mask.items():
        stop = start + int(vertices.sum())
        on_mesh = np.full(len(vertices), np.nan, np.float32)
        on_mesh[vertices] = values[start:stop]
        written.append(out.with_name(f"{hemisphere.value}.{out.name}"))
        write_mgh(written[-1], on_mesh)
        start = stop
    return written


def run_inventory(arguments: argparse.Namespace) -> int:
    """List what is on disk, also what is not opened here, and what it is."""
    root = open_nsd(arguments.root).root
    where = root if arguments.subject is None else root.subject(arguments.subject)
    entries = inventory(where)
    if arguments.json:
        rows = [{**vars(e), "kind": e.kind.value, "path": str(e.path)} for e in entries]
        print(json.dumps(rows, indent=2))
        return 0
    for entry in entries:
        opened = "" if entry.is_opened else "  (not opened by this version)"
        size = f"· {entry.n_files:,} files, {entry.n_bytes / 1e6:,.1f} MB"
        print(f"{entry.path.relative_to(root.path)}: {entry.description} {size}{opened}")
    return 0
