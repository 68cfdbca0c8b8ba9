"""`nsdviewer partition`: what embedding and local contrast explain, alone and together."""

import argparse
import sys

import numpy as np

from nsdviewer.cli.data_commands import require_suffix, sidecar_of
from nsdviewer.cli.map_command import places
from nsdviewer.cli.workspace import open_workspace
from nsdviewer.files import atomic_path, write_json
from nsdviewer.jobs import StreamProgress
from nsdviewer.scheduling import open_scheduler
from nsdviewer.session.fitting import FitRequest
from nsdviewer.session.map_regions import map_regions
from nsdviewer.session.notices import warn_of
from nsdviewer.session.partitioning import arrays_of, partition_workspace


def run_partition(arguments: argparse.Namespace) -> int:
    """Write shares of variance by site, and medians by region beside them."""
    require_suffix(arguments.out, ".npz")
    workspace = open_workspace(arguments)
    request = FitRequest(arguments.roi, arguments.seed, arguments.split)
    with open_scheduler(arguments.scheduler) as scheduler:
        found = partition_workspace(workspace, request, scheduler, StreamProgress())
    arrays = arrays_of(found)
    with atomic_path(arguments.out) as path, path.open("wb") as stream:
        np.savez(stream, **{**places(found.sites), **arrays})  # type: ignore[arg-type]
    reliable = np.nan_to_num(found.noise_ceiling) >= arguments.noise_ceiling / 100
    medians = {}
    regions, faults = map_regions(workspace, found.sites)
    warn_of(faults)
    for region in regions:
        here = region.inside & reliable
        if here.any():
            medians[region.name] = {
                share: float(np.nanmedian(arrays[share][here]))
                for share in ("unique_embedding", "unique_contrast", "shared")
            } | {"n_sites": int(here.sum())}
    document = {
        "command": ["nsdviewer", *sys.argv[1:]],
        "what": "shares of the variance of repeat-averaged test responses",
        "level": found.intervals.level,
        "roi": found.roi,
        "split": arguments.split,
        "seed": arguments.seed,
        "embedding": workspace.embedding.title,
        "noise_ceiling_floor_pct": arguments.noise_ceiling,
        "medians": medians,
        "simulated": workspace.root.is_simulated,
    }
    sidecar = sidecar_of(arguments.out)
    write_json(sidecar, document)
    print(arguments.out)
    print(sidecar)
    return 0
