"""FreeSurfer folders: surfaces, flat patches, labels and their name tables."""

from collections.abc import Sequence
from pathlib import Path

import nibabel.freesurfer as fs
import numpy as np
from numpy.typing import NDArray

from nsdviewer.data.simulate import atlas
from nsdviewer.data.simulate.anatomy import Anatomy
from nsdviewer.data.simulate.areas import HAND_DRAWN, LABEL_NAMES
from nsdviewer.data.simulate.grids import Floats, apply_affine
from nsdviewer.data.simulate.meshes import HEMISPHERES, Mesh
from nsdviewer.data.simulate.transforms import DEPTHS, save_mgh
from nsdviewer.files import atomic_path

_STAMP = "created by nsdviewer's simulator"


def write_fsaverage(folder: Path, anatomy: Anatomy) -> None:
    """Write the stock surfaces and the atlas labels."""
    for h, mesh in enumerate(anatomy.meshes):
        _write_surfaces(folder / "surf", mesh, {"white": mesh.white, "pial": mesh.pial})
        for collection, labels in anatomy.areas[h].labels.items():
            if collection not in HAND_DRAWN:
                save_mgh(_label(folder, h, collection), labels[:, None, None])
    for collection, names in LABEL_NAMES.items():
        if collection not in HAND_DRAWN:
            write_ctab(folder / "label" / f"{collection}.mgz.ctab", names)


def write_subject(folder: Path, anatomy: Anatomy) -> None:
    """Write a subject's own surfaces (own vertex order, FreeSurfer's tkr-RAS) and labels."""
    for h, stock in enumerate(anatomy.meshes):
        order = anatomy.vertex_orders[h]
        mesh = stock.reordered(order)
        layers = {
            name: _to_tkr(anatomy, stock.depth_mni(depth))[order] for name, depth in DEPTHS.items()
        }
        _write_surfaces(folder / "surf", mesh, layers)
        areas = anatomy.areas[h]
        for collection, labels in areas.labels.items():
            save_mgh(_label(folder, h, collection), labels[order][:, None, None])
        for name, values in (
            ("prfangle", areas.angle_deg),
            ("prfeccentricity", areas.eccentricity_deg),
            ("prfsize", areas.size_deg),
        ):
            save_mgh(_label(folder, h, name), values[order][:, None, None])
    for collection, names in LABEL_NAMES.items():
        # One line with trailing blanks, as some of NSD's have.
        trailing = "  \t" if collection == "floc-faces" else ""
        write_ctab(folder / "label" / f"{collection}.mgz.ctab", names, trailing)


def write_template_tables(folder: Path) -> None:
    """Write the name tables of the volume-only collections."""
    write_ctab(folder / "MTL.ctab", [p.label for p in atlas.MTL])
    write_ctab(folder / "thalamus.ctab", [p.label for p in atlas.THALAMUS])


def write_ctab(path: Path, names: Sequence[str], trailing: str = "") -> None:
    """Write NSD's plain ``index name`` table; `trailing` follows the second name."""
    lines = [f"{k} {name}" for k, name in enumerate(("Unknown", *names))]
    lines[1] += trailing
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="ascii")


def _label(folder: Path, hemisphere: int, name: str) -> Path:
    return folder / "label" / f"{HEMISPHERES[hemisphere]}.{name}.mgz"


def _to_tkr(anatomy: Anatomy, mni_mm: Floats) -> Floats:
    """Map MNI mm to the tkr-RAS of the subject's FreeSurfer volume.

    That frame is the anatomical header's minus half a voxel on every axis, which follows from
    NSD's one-voxel shift between FreeSurfer's volumes and ``anat/``.
    """
    grid = anatomy.anat
    return apply_affine(grid.affine, grid.from_mni(mni_mm)) - grid.voxel_mm / 2


def _write_surfaces(folder: Path, mesh: Mesh, layers: dict[str, Floats]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    surfaces = layers | {
        "inflated": mesh.inflated,
        "sphere": mesh.sphere,
        "sphere.reg": mesh.sphere,
    }
    for name, points in surfaces.items():
        with atomic_path(folder / f"{mesh.name}.{name}") as path:
            fs.write_geometry(path, points, mesh.faces, create_stamp=_STAMP)
    for name in ("sulc", "curv"):
        with atomic_path(folder / f"{mesh.name}.{name}") as path:
            fs.write_morph_data(path, getattr(mesh, name), fnum=len(mesh.faces))
    _write_patch(folder / f"{mesh.name}.full.flat.patch.3d", mesh, mesh.flat)
    _write_patch(folder / f"{mesh.name}.full.patch.3d", mesh, mesh.inflated)


def _write_patch(path: Path, mesh: Mesh, points: Floats) -> None:
    """Write FreeSurfer's patch format: −1, n, then index and xyz; border vertices are negative."""
    rows = np.flatnonzero(mesh.in_patch)
    record = np.zeros(len(rows), np.dtype([("index", ">i4"), ("xyz", ">f4", 3)]))
    record["index"] = np.where(_on_border(mesh)[rows], -1, 1) * (rows + 1)
    record["xyz"] = points[rows]
    with atomic_path(path) as temporary:
        temporary.write_bytes(np.array([-1, len(rows)], ">i4").tobytes() + record.tobytes())


def _on_border(mesh: Mesh) -> NDArray[np.bool_]:
    """Whether a vertex of the patch touches a face that is not in it."""
    outside = ~mesh.in_patch[mesh.faces].all(axis=1)
    border = np.zeros(mesh.n_vertices, bool)
    border[np.unique(mesh.faces[outside])] = True
    return border & mesh.in_patch
