"""Commands that read a tree and write what is in it."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from nsdviewer.data.layout import NsdRoot
from nsdviewer.data.volumes import read_affine, write_volume
from nsdviewer.errors import RequestError
from nsdviewer.files import atomic_path
from nsdviewer.jobs import PartProgress, StreamProgress
from nsdviewer.mapping.reliability import compute_ncsnr
from nsdviewer.session.demo import simulate_subjects
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import BetaVersion, Space


def open_workspace(arguments: argparse.Namespace) -> Workspace:
    """Return the workspace that a command's common options name."""
    return Workspace(
        NsdRoot.open(arguments.root),
        arguments.subject,
        Space(arguments.space),
        BetaVersion.parse(arguments.version),
        getattr(arguments, "embedding", ""),
    )


def require_suffix(path: Path, *suffixes: str) -> None:
    """Raise `RequestError` unless `path` ends in one of `suffixes`."""
    if not path.name.lower().endswith(suffixes):
        raise RequestError(f"The output ends in {' or '.join(suffixes)}; {path.name} does not.")


def run_simulate(arguments: argparse.Namespace) -> int:
    """Write simulated subjects."""
    if not 1 <= arguments.subjects <= 8:
        raise RequestError(f"NSD has 1 to 8 subjects, not {arguments.subjects}.")
    simulate_subjects(
        arguments.out,
        arguments.preset,
        arguments.subjects,
        arguments.seed,
        StreamProgress(),
        arguments.sessions,
    )
    print(arguments.out)
    return 0


def run_betas(arguments: argparse.Namespace) -> int:
    """Write responses of some trials and voxels."""
    require_suffix(arguments.out, ".npz")
    workspace = open_workspace(arguments)
    trials = workspace.table.select(arguments.trials)
    betas = workspace.betas(arguments.roi, StreamProgress())
    columns: dict[str, Any] = {
        name: workspace.table.column(name)[trials]
        for name in ("session", "run", "nsd_id", "image_10k", "repetition")
    }
    with atomic_path(arguments.out) as path, path.open("wb") as stream:
        np.savez(
            stream,
            betas=betas.psc(trials),
            ijk=betas.ijk,
            trial=trials,
            **columns,
        )
    print(arguments.out)
    return 0


def run_trials(arguments: argparse.Namespace) -> int:
    """Write the trial table."""
    require_suffix(arguments.out, ".csv")
    open_workspace(arguments).table.write_csv(arguments.out)
    print(arguments.out)
    return 0


def run_ncsnr(arguments: argparse.Namespace) -> int:
    """Write reliability recomputed from the betas, NaN where it is undefined."""
    require_suffix(arguments.out, ".nii.gz", ".nii")
    workspace = open_workspace(arguments)
    progress = StreamProgress()
    betas = workspace.betas("brainmask", PartProgress(progress, 0.0, 0.5))
    values = compute_ncsnr(betas, workspace.table, PartProgress(progress, 0.5, 1.0))
    volume = np.full(workspace.grid, np.nan, np.float32)
    volume[tuple(betas.ijk.T)] = values
    affine = read_affine(workspace.files.volume(workspace.space, "brainmask"))
    write_volume(arguments.out, volume, affine)
    print(arguments.out)
    return 0


def run_embed(arguments: argparse.Namespace) -> int:
    """Embed all shown pictures."""
    workspace = open_workspace(arguments)
    ids = np.unique(workspace.table.column("nsd_id")[workspace.table.select("all")])
    workspace.image_embeddings(ids, StreamProgress())
    print(f"{len(ids)} pictures embedded with {workspace.embedding.title}")
    return 0
