"""`nsdviewer reverse`: what drives a voxel or a ROI, as numbers, words and pictures."""

import argparse

import numpy as np
from PIL import Image

from nsdviewer.cli.workspace import open_workspace
from nsdviewer.errors import RequestError
from nsdviewer.files import atomic_path, write_json
from nsdviewer.jobs import StreamProgress
from nsdviewer.rendering.montage import write_montage
from nsdviewer.session.reversing import ReverseRequest, describe, preference

_N_IN_SHEET = 6


def run_reverse(arguments: argparse.Namespace) -> int:
    """Write ``preference.json``, ``direction.npz``, the best pictures, and a painted one."""
    workspace = open_workspace(arguments)
    request = ReverseRequest(
        roi=arguments.roi,
        voxel=_voxel(arguments.voxel) if arguments.voxel else None,
        n=arguments.n,
        encoder_path=str(arguments.encoder or ""),
        seed=arguments.seed,
    )
    found = preference(workspace, request, StreamProgress())
    out = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    header = workspace.encoder(request.encoder_path).header
    document = {
        "asked": arguments.roi or list(request.voxel or ()),
        "encoder": header.to_dict(),
        "simulated": workspace.root.is_simulated,
        **describe(found),
    }
    generator = str(arguments.generator or "")
    if workspace.can_paint(generator):
        painter = workspace.painter(generator)
        painted = painter.paint(found.painting.embedding[None], arguments.seed)[0]
        with atomic_path(out / "painted.png") as path:
            Image.fromarray(painted).save(path)
        document["painting"]["generator"] = f"{painter.name}, seed {arguments.seed}"
        data = "SIMULATED data" if workspace.root.is_simulated else "NSD"
        best = found.measured or found.predicted
        seen = workspace.stimuli.read(best.nsd_ids[:_N_IN_SHEET])
        write_montage(
            [(picture, painted) for picture in seen],
            [f"{z:+.2f} SD" for z in best.z[:_N_IN_SHEET]],
            f"{data}, subject {workspace.subject} · best training pictures of "
            f"{arguments.roi or arguments.voxel} beside what is painted from its direction",
            out / "pictures.png",
        )
    else:
        document["painting"]["generator"] = "not painted: no generator for this embedding"
    with atomic_path(out / "direction.npz") as path, path.open("wb") as stream:
        np.savez(stream, direction=found.direction, painting=found.painting.embedding)
    write_json(out / "preference.json", document)
    if found.words is not None:
        verdict = "" if found.words.is_better_than_chance else " (no nearer than chance)"
        print(f"nearest words: {', '.join(found.words.words)}{verdict}")
    print(out)
    return 0


def _voxel(text: str) -> tuple[int, int, int]:
    parts = text.split(",")
    if len(parts) != 3 or not all(part.strip().isdigit() for part in parts):
        raise RequestError(f"'{text}' is no voxel; write three numbers from 0, as in 30,41,22.")
    i, j, k = (int(part) for part in parts)
    return i, j, k
