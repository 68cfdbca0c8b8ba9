"""`nsdviewer map`: which voxels go with a concept, how sure that is, and how it was made."""

import argparse
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from nsdviewer.cli.data_commands import sidecar_of
from nsdviewer.cli.workspace import open_workspace
from nsdviewer.data.betas.sites import Sites, Vertices
from nsdviewer.data.formats.volumes import write_mgh, write_volume
from nsdviewer.errors import RequestError
from nsdviewer.files import atomic_path, write_json
from nsdviewer.jobs import StreamProgress
from nsdviewer.mapping.maps import ConceptMap
from nsdviewer.scheduling import open_scheduler
from nsdviewer.session.concepts import direction_of, to_vertices
from nsdviewer.session.evidence import MapRequest, tested_map
from nsdviewer.session.map_report import map_report
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import Hemisphere, Null, Reading

_VOLUMES = (".nii.gz", ".nii")
_MESHES = (".mgh", ".mgz")
_FIGURES = (".png", ".svg", ".pdf")
_SUFFIXES = (*_VOLUMES, *_MESHES, *_FIGURES, ".gii", ".npz")


def run_map(arguments: argparse.Namespace) -> int:
    """Write a concept map, by the output's suffix, and beside it how it was made."""
    workspace = open_workspace(arguments)
    _require_output(workspace, arguments.out)
    request = _request(arguments)
    progress = StreamProgress()
    with open_scheduler(arguments.scheduler) as scheduler:
        shown = tested_map(workspace, request, scheduler, progress)
        evidence = map_report(workspace, request, shown, scheduler, progress)
    written = _write_map(workspace, shown, request, arguments.out)
    sidecar = sidecar_of(arguments.out)
    write_json(sidecar, {**_describe(workspace, request, shown), **evidence})
    if shown.evidence is not None:
        n_passed, n_tested = shown.evidence.significant.sum(), shown.evidence.tested.sum()
        print(f"{n_passed} of {n_tested} tested voxels pass: {shown.evidence.said}")
    for path in (*written, sidecar):
        print(path)
    return 0


def _request(arguments: argparse.Namespace) -> MapRequest:
    return MapRequest(
        concept=arguments.concept,
        reading=Reading(arguments.reading),
        noise_ceiling_floor_pct=arguments.noise_ceiling,
        encoder_path=str(arguments.encoder or ""),
        decoder_path=str(arguments.decoder or ""),
        statistic=arguments.stat,
        null=Null(arguments.null),
        n_draws=arguments.draws,
        seed=arguments.seed,
    )


def _require_output(workspace: Workspace, out: Path) -> None:
    """Raise `RequestError` before any work if the output cannot hold a map of this space."""
    name = out.name.lower()
    if not name.endswith(_SUFFIXES):
        raise RequestError(
            "A map is written as .nii.gz, .gii, .mgz, .npz, .png, .svg or .pdf; "
            f"{out.name} is none of these."
        )
    if not workspace.is_volume and name.endswith((*_VOLUMES, *_FIGURES)):
        raise RequestError(
            f"A map of {workspace.space.value} is on vertices; write it as .gii, .mgz or .npz, not "
            f"as {out.name}."
        )


def _write_map(
    workspace: Workspace, shown: ConceptMap, request: MapRequest, out: Path
) -> list[Path]:
    name = out.name.lower()
    if name.endswith(_VOLUMES):
        write_volume(out, shown.volume(), workspace.reader.affine(workspace.space))
        return [out]
    if name.endswith((".gii", *_MESHES)):
        return [
            _write_mesh(out.with_name(f"{hemisphere.value}.{out.name}"), values)
            for hemisphere, values in to_vertices(workspace, shown).items()
        ]
    if name.endswith(".npz"):
        direction = direction_of(workspace, request.concept, request.decoder_path)
        with atomic_path(out) as path, path.open("wb") as stream:
            np.savez(stream, **{"direction": direction, **_arrays(shown)})  # type: ignore[arg-type]
        return [out]
    # Drawing loads OpenGL, which a table of numbers does not need.
    from nsdviewer.rendering.figure import export_figure
    from nsdviewer.session.scenes import scene_of_map

    export_figure(scene_of_map(workspace, request.to_state(workspace), shown), out)
    return [out]


def _write_mesh(path: Path, values: NDArray[np.float32]) -> Path:
    if not path.name.endswith(".gii"):
        write_mgh(path, values)
        return path
    array = nib.gifti.GiftiDataArray(
        values, intent="NIFTI_INTENT_ESTIMATE", datatype="NIFTI_TYPE_FLOAT32"
    )
    with atomic_path(path) as temporary:
        nib.save(nib.gifti.GiftiImage(darrays=[array]), temporary)
    return path


def _arrays(shown: ConceptMap) -> dict[str, NDArray[Any]]:
    """Return the map's arrays: values, places, and the evidence that there is."""
    arrays: dict[str, NDArray[Any]] = {"values": shown.values, "shown": shown.shown}
    arrays |= places(shown.sites)
    if shown.evidence is not None:
        found = {
            name: getattr(shown.evidence, name)
            for name in ("significant", "p", "p_max", "q", "estimate", "lower", "upper")
        }
        arrays |= {name: array for name, array in found.items() if array is not None}
    return arrays


def places(sites: Sites) -> dict[str, NDArray[Any]]:
    """Return the voxel of each site, or its vertex and hemisphere."""
    if not isinstance(sites, Vertices):
        return {"ijk": sites.ijk}
    hemispheres: list[NDArray[np.str_]] = [
        np.full(len(sites.vertex[h]), h.value) for h in Hemisphere if h in sites.vertex
    ]
    vertices = [sites.vertex[h] for h in Hemisphere if h in sites.vertex]
    return {"vertex": np.concatenate(vertices), "hemisphere": np.concatenate(hemispheres)}


def _version() -> str:
    try:
        return version("nsdviewer")
    except PackageNotFoundError:
        return "(not installed)"


def _describe(workspace: Workspace, request: MapRequest, shown: ConceptMap) -> dict[str, Any]:
    """Return everything needed to make the map again."""
    uses_encoder = request.reading is Reading.ENCODER
    kind = "encoder" if uses_encoder else "decoder"
    path = request.encoder_path if uses_encoder else request.decoder_path
    model = workspace.encoder(path) if uses_encoder else workspace.decoder(path)
    return {
        "command": ["nsdviewer", *sys.argv[1:]],
        "concept": request.concept,
        "reading": shown.reading.value,
        "statistic": request.statistic,
        "unit": shown.unit,
        "n_draws": request.n_draws,
        "seed": request.seed,
        "sessions": list(workspace.sessions),
        "nsdviewer": _version(),
        "noise_ceiling_floor_pct": request.noise_ceiling_floor_pct,
        "n_voxels": len(shown.values),
        "n_voxels_shown": int(shown.shown.sum()),
        "space": workspace.space.value,
        kind: model.header.to_dict(),
        f"{kind}_file": path or str(workspace.model_path(kind)),
        "simulated": workspace.root.is_simulated,
    }
