"""Maps of a person land where their headers say: planted fields, blobs and labels, and bad headers."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from nsdviewer.data.layout import NsdRoot
from nsdviewer.errors import DataError, NsdViewerError, RequestError
from nsdviewer.session.file_layers import described_files, file_layer
from nsdviewer.session.layers import layer_maps
from nsdviewer.session.notices import notices_of
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import BetaVersion, Hemisphere, LayerChoice, Space, ViewState
from tests.nsd_tree import TinyTree, build_tree
from tests.nsd_tree.geometry import apply_affine
from tests.nsd_tree.tree import B2, B3

Floats = NDArray[np.float64]
FUNC = "func1pt8mm"
SLOPE_PER_MM, OFFSET = np.array([0.7, -1.1, 0.4]), 3.0


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> TinyTree:
    betas = ((FUNC, B3, "hdf5"), ("MNI", B2, "nii.gz"), ("fsaverage", B3, "mgh"))
    return build_tree(tmp_path_factory.mktemp("stated") / "nsd", sessions=(1,), betas=betas)


@pytest.fixture(scope="module")
def workspace(tree: TinyTree) -> Workspace:
    return Workspace(NsdRoot.open(tree.root), 1, embedding="conse")


def field(mm: Floats) -> Floats:
    """Interpolating linearly makes no error in this one, wherever it is sampled."""
    return mm @ SLOPE_PER_MM + OFFSET


def blob(mm: Floats, centre: Floats) -> Floats:
    return np.exp(-((mm - centre) ** 2).sum(-1) / (2 * 2.0**2))


def positions(shape: tuple[int, ...], affine: Floats) -> Floats:
    return apply_affine(affine, np.stack(np.indices(shape), axis=-1).astype(float))


def mni_mm_of_func(tree: TinyTree) -> Floats:
    """Where each functional voxel lies in MNI mm, by hand: (X, Y, Z, 3)."""
    geometry = tree.subjects[1].geometry
    index = apply_affine(np.linalg.inv(geometry.to_anat_mm["MNI"]), geometry.positions(FUNC))
    index[..., 0] = geometry.shapes["MNI"][0] - 1 - index[..., 0]
    return apply_affine(geometry.affines["MNI"], index)


def save(path: Path, values: NDArray[np.generic], affine: Floats, code: int) -> Path:
    image = nib.Nifti1Image(values, affine)
    image.set_sform(affine, code)
    image.set_qform(None, 0)
    nib.save(image, path)
    return path


def shifted(affine: Floats, *mm: float) -> Floats:
    moved = affine.copy()
    moved[:3, 3] += mm
    return moved


def turned(degrees: float) -> Floats:
    angle = np.deg2rad(degrees)
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return matrix


def mni_grids(tree: TinyTree) -> dict[str, tuple[tuple[int, int, int], Floats]]:
    """Grids that a file in MNI may have: NSD's own, and others that hold it."""
    own, shape = tree.subjects[1].geometry.affines["MNI"], (14, 16, 12)
    wide = np.diag([2.0, 2.0, 2.0, 1.0])
    wide[:3, 3] = (-12.0, -14.0, -10.0)
    left = np.diag([-1.0, 1.0, 1.0, 1.0])
    left[:3, 3] = (own[0, 3] + shape[0] - 1, own[1, 3], own[2, 3])
    swapped = wide[:, [2, 0, 1, 3]]
    return {
        "own": (shape, own),
        "coarse": ((13, 14, 13), wide),
        "right to left": (shape, left),
        "half a voxel off": ((16, 18, 14), shifted(own, -0.5, -0.5, -0.5)),
        "axes swapped": ((13, 13, 14), swapped),
        "oblique": ((22, 22, 16), turned(12) @ shifted(np.eye(4), -11, -11, -7)),
    }


@pytest.mark.parametrize(
    "name", ["own", "coarse", "right to left", "half a voxel off", "axes swapped", "oblique"]
)
def test_a_field_in_mni_lands_on_the_right_voxels(
    tree: TinyTree, workspace: Workspace, tmp_path: Path, name: str
) -> None:
    shape, affine = mni_grids(tree)[name]
    values = field(positions(shape, affine)).astype(np.float32)
    found = file_layer(workspace, str(save(tmp_path / "m.nii.gz", values, affine, 4)))
    truth = field(mni_mm_of_func(tree))
    seen = np.isfinite(found.volume)
    assert seen.mean() > 0.4
    np.testing.assert_allclose(found.volume[seen], truth[seen], atol=0.02)
    assert found.title.endswith("MNI → func1pt8mm, linear") and not found.caution
    assert "MNI → func1pt8mm" in found.provenance and found.vertices


def test_a_blob_lands_on_the_voxel_that_is_nearest(
    tree: TinyTree, workspace: Workspace, tmp_path: Path
) -> None:
    geometry = tree.subjects[1].geometry
    for k, space in enumerate(("MNI", "anat0pt5", "anat0pt8", "anat1pt0", "func1mm")):
        shape, affine = geometry.shapes[space], geometry.affines[space]
        # A voxel well inside, and where it is in the file's own millimetres.
        voxel = np.array([3, 4 + k % 2, 4])
        anat_mm = geometry.positions(FUNC)[tuple(voxel)]
        index = apply_affine(np.linalg.inv(geometry.to_anat_mm[space]), anat_mm)
        if space == "MNI":
            index[0] = shape[0] - 1 - index[0]
        mm = apply_affine(affine, index)
        values = blob(positions(shape, affine), mm).astype(np.float32)
        path = save(tmp_path / f"{space}.nii", values, affine, 4 if space == "MNI" else 1)
        found = file_layer(workspace, str(path))
        peak = np.unravel_index(np.nanargmax(found.volume), found.volume.shape)
        assert tuple(peak) == tuple(voxel), space
        assert "→ func1pt8mm, linear" in found.title and not found.caution


def test_storage_makes_no_difference(tree: TinyTree, workspace: Workspace, tmp_path: Path) -> None:
    """Scaled integers, the other byte order, one volume of four dimensions, and doubles."""
    affine, shape = tree.subjects[1].geometry.affines[FUNC], workspace.grid
    values = np.round(field(positions(shape, affine)) * 64) / 64
    images = {
        "double": nib.Nifti1Image(values, affine),
        "four": nib.Nifti1Image(values[..., None].astype(np.float32), affine),
        "big": nib.Nifti1Image(
            values.astype(">f4"), affine, nib.Nifti1Header(endianness=">")
        ),
        "mgz": nib.MGHImage(values.astype(np.float32), affine),
    }  # fmt: skip
    scaled = nib.Nifti1Image(np.round(values * 64).astype(np.int16), affine)
    scaled.header.set_slope_inter(1 / 64, 0)
    images["scaled"] = scaled
    for name, image in images.items():
        path = tmp_path / f"{name}.{'mgz' if name == 'mgz' else 'nii'}"
        if name == "scaled":
            with path.open("wb") as stream:
                scaled.header["magic"] = b"n+1"
                scaled.header.set_data_offset(352)
                scaled.header["sform_code"] = 1
                scaled.header.write_to(stream)
                stream.write(b"\0" * (352 - stream.tell()))
                stream.write(np.round(values * 64).astype("<i2").tobytes(order="F"))
        else:
            nib.save(image, path)
        found = file_layer(workspace, str(path))
        np.testing.assert_allclose(found.volume, values, atol=1e-4, err_msg=name)
        assert not found.caution and "→" not in found.title, name


def test_the_own_grid_is_read_in_any_order_of_its_axes(
    tree: TinyTree, workspace: Workspace, tmp_path: Path
) -> None:
    affine, shape = tree.subjects[1].geometry.affines[FUNC], workspace.grid
    values = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    plain = nib.Nifti1Image(values, affine)
    for letters in ("LAS", "RPI", "AIL", "SRA"):
        target = nib.orientations.axcodes2ornt(letters)
        image = plain.as_reoriented(target_from(plain, target))
        path = save(tmp_path / f"{letters}.nii", np.asarray(image.dataobj), image.affine, 1)
        found = file_layer(workspace, str(path))
        np.testing.assert_array_equal(found.volume, values, err_msg=letters)
        assert not found.caution


def target_from(image: nib.Nifti1Image, target: Floats) -> Floats:
    return nib.orientations.ornt_transform(nib.io_orientation(image.affine), target)


def test_half_a_voxel_off_its_own_grid_is_shown_by_its_affine(
    tree: TinyTree, workspace: Workspace, tmp_path: Path
) -> None:
    affine, shape = tree.subjects[1].geometry.affines[FUNC], workspace.grid
    off = shifted(affine, 0.9, 0.9, 0.0)
    values = field(positions(shape, off)).astype(np.float32)
    found = file_layer(workspace, str(save(tmp_path / "off.nii", values, off, 1)))
    seen = np.isfinite(found.volume)
    assert seen[1:, 1:].all() and not seen[0].any()
    np.testing.assert_allclose(found.volume[seen], field(positions(shape, affine))[seen], atol=1e-3)
    assert "off the grid" in found.caution and "by its affine" in found.title


def test_what_is_not_stated_is_assumed_and_said(
    tree: TinyTree, workspace: Workspace, tmp_path: Path
) -> None:
    values = np.random.default_rng(2).normal(size=workspace.grid).astype(np.float32)
    for name, affine, code in (("zero", np.diag([2.0, 2, 2, 1]), 0), ("counts", np.eye(4), 2)):
        path = save(tmp_path / f"{name}.nii", values, affine, code)
        found = file_layer(workspace, str(path))
        np.testing.assert_array_equal(found.volume, values)
        assert "func1pt8 is assumed" in found.caution
    state = ViewState(str(tree.root), 1, layers=(LayerChoice(f"file:{path}"),))
    assert found.caution in notices_of(workspace, state, layer_maps(workspace, state))
    (line,) = described_files(workspace, state)
    assert line == f"layer: counts.nii: func1pt8 ({found.caution})"


def test_headers_that_contradict_are_refused_in_words(
    tree: TinyTree, workspace: Workspace, tmp_path: Path
) -> None:
    affine, grid = tree.subjects[1].geometry.affines[FUNC], workspace.grid
    zeros = np.zeros(grid, np.float32)
    cases = (
        ("away.nii", zeros, shifted(affine, 20, 0, 0), 1, "its affine puts it elsewhere.*20 mm"),
        ("other.nii", np.zeros((5, 6, 7), np.float32), affine, 1, "none of the subject's"),
        ("tal.nii", np.zeros((5, 6, 7), np.float32), affine, 3, "Talairach"),
        ("far.nii", np.zeros((5, 6, 7), np.float32), shifted(affine, 400, 0, 0), 4, "anterior"),
        ("none.nii", np.zeros((5, 6, 7), np.float32), np.eye(4), 0, "does not say where it lies"),
        ("runs.nii", np.zeros((*grid, 2), np.float32), affine, 1, "one value a voxel"),
    )
    for name, values, each, code, words in cases:
        with pytest.raises(RequestError, match=words):
            file_layer(workspace, str(save(tmp_path / name, values, each, code)))
    flat = save(tmp_path / "flat.nii", zeros, affine, 1)
    raw = bytearray(flat.read_bytes())
    raw[280:328] = bytes(48)
    flat.write_bytes(bytes(raw))
    with pytest.raises(NsdViewerError):
        file_layer(workspace, str(flat))
    image = nib.Nifti1Image(zeros + 1.5, affine)
    image.set_sform(affine, 1)
    image.set_qform(shifted(affine, 9, 0, 0), 1)
    nib.save(image, tmp_path / "two.nii")
    assert "the sform counts" in file_layer(workspace, str(tmp_path / "two.nii")).caution
    wrong = save(tmp_path / "wrong.nii", zeros + 1.5, affine, 4)
    assert "speaks of MNI" in file_layer(workspace, str(wrong)).caution


def test_labels_are_voted_and_never_averaged(
    tree: TinyTree, workspace: Workspace, tmp_path: Path
) -> None:
    geometry = tree.subjects[1].geometry
    shape, affine = geometry.shapes["MNI"], geometry.affines["MNI"]
    mm = positions(shape, affine)
    labels = np.where(mm[..., 0] < 0, 3, 40) * (np.abs(mm[..., 2]) < 4)
    for kind in (np.int16, np.float64):
        path = save(tmp_path / f"{np.dtype(kind).name}.nii", labels.astype(kind), affine, 4)
        found = file_layer(workspace, str(path))
        assert set(np.unique(found.volume[np.isfinite(found.volume)])) <= {0, 3, 40}
        assert found.title.endswith("func1pt8mm, wta")
        here = mni_mm_of_func(tree)
        # Half a voxel from every border the vote is not close.
        inside = (np.abs(here[..., 2]) < 3) & (np.abs(here[..., 0] + 0.5) > 1)
        index = apply_affine(np.linalg.inv(affine), here)
        inside &= ((index > 0.5) & (index < np.array(shape) - 1.5)).all(-1)
        assert inside.sum() > 20
        expected = np.where(here[..., 0] < -0.5, 3, 40)
        np.testing.assert_array_equal(found.volume[inside], expected[inside])


def test_missing_values_do_not_weigh_as_zeros(
    tree: TinyTree, workspace: Workspace, tmp_path: Path
) -> None:
    geometry = tree.subjects[1].geometry
    shape, affine = geometry.shapes["MNI"], geometry.affines["MNI"]
    values = np.full(shape, 5.5, np.float32)
    values[: shape[0] // 2] = np.nan
    found = file_layer(workspace, str(save(tmp_path / "holes.nii", values, affine, 4)))
    seen = found.volume[np.isfinite(found.volume)]
    assert len(seen) and np.isnan(found.volume).any()
    np.testing.assert_allclose(seen, 5.5, rtol=1e-5)


# --- vertices -------------------------------------------------------------------------------------


def save_gifti(path: Path, values: NDArray[np.generic], **meta: str) -> Path:
    array = nib.gifti.GiftiDataArray(values, datatype="NIFTI_TYPE_FLOAT32")
    image = nib.gifti.GiftiImage(darrays=[array], meta=nib.gifti.GiftiMetaData(meta))
    nib.save(image, path)
    return path


def test_a_vertex_of_fsaverage_lands_on_its_neighbours(
    tree: TinyTree, workspace: Workspace, tmp_path: Path
) -> None:
    """By the vertices' own numbers, each native vertex shows the number that its transform says."""
    for hemisphere, structure in (
        (Hemisphere.LEFT, "CortexLeft"),
        (Hemisphere.RIGHT, "CortexRight"),
    ):
        n = tree.fsaverage[hemisphere.value].n_vertices
        numbers = np.arange(n, dtype=np.float32) + 0.5
        path = save_gifti(
            tmp_path / f"map-{structure}.func.gii", numbers, AnatomicalStructurePrimary=structure
        )
        found = file_layer(workspace, str(path))
        table = tree.subjects[1].surface_maps[f"{hemisphere.value}.fsaverage-to-white"]
        assert set(found.vertices) == {hemisphere}
        np.testing.assert_array_equal(found.vertices[hemisphere], table - 1 + 0.5)
        assert found.title.endswith("fsaverage → nativesurface, nearest") and not found.caution


def test_a_coarser_fsaverage_goes_to_the_nearest_vertex(
    tree: TinyTree, workspace: Workspace, tmp_path: Path
) -> None:
    coarse, sphere = 42, tree.fsaverage["lh"].coords["sphere"]
    numbers = np.arange(coarse, dtype=np.float32) + 0.25
    nib.save(nib.MGHImage(numbers[:, None, None], np.eye(4)), tmp_path / "lh.tstat.mgz")
    found = file_layer(workspace, str(tmp_path / "lh.tstat.mgz"))
    distance = ((sphere[:, None] - sphere[None, :coarse]) ** 2).sum(-1)
    table = tree.subjects[1].surface_maps["lh.fsaverage-to-white"].astype(int) - 1
    shown = found.vertices[Hemisphere.LEFT]
    picked = distance[table, np.round(shown - 0.25).astype(int)]
    np.testing.assert_allclose(picked, distance[table].min(1), atol=1e-3)
    assert "fsaverage1 → nativesurface" in found.title


def test_both_hemispheres_behind_each_other_and_side_by_side(
    tree: TinyTree, workspace: Workspace, tmp_path: Path
) -> None:
    n = {h: m.n_vertices for h, m in workspace.meshes.items()}
    left, right = (
        np.random.default_rng(k).random(v).astype(np.float32) for k, v in enumerate(n.values())
    )
    both = np.concatenate([left, right])
    nib.save(nib.Nifti1Image(both[:, None, None], np.eye(4)), tmp_path / "both.nii")
    for name, values in (("lh.x", left), ("rh.x", right)):
        nib.freesurfer.write_morph_data(tmp_path / name, values)
    for name in ("both.nii", "lh.x", "rh.x"):
        found = file_layer(workspace, str(tmp_path / name))
        np.testing.assert_allclose(found.vertices[Hemisphere.LEFT], left, rtol=1e-6)
        np.testing.assert_allclose(found.vertices[Hemisphere.RIGHT], right, rtol=1e-6)


def test_what_names_and_metadata_of_surfaces_say_counts(
    tree: TinyTree, workspace: Workspace, tmp_path: Path
) -> None:
    n = workspace.meshes[Hemisphere.LEFT].n_vertices
    values = np.linspace(0, 1, n).astype(np.float32)
    said = save_gifti(tmp_path / "rh.x.gii", values, AnatomicalStructurePrimary="CortexLeft")
    found = file_layer(workspace, str(said))
    assert set(found.vertices) == {Hemisphere.LEFT} and "metadata count" in found.caution
    for name, words in (
        ("hemi-L_space-fsLR_den-32k_x.func.gii", "fsLR"),
        ("hemi-L_space-fsaverage_x.func.gii", "says that it is on fsaverage"),
        ("hemi-R_x.func.gii", "is needed"),
    ):
        with pytest.raises(RequestError, match=words):
            file_layer(workspace, str(save_gifti(tmp_path / name, values)))
    points = nib.gifti.GiftiDataArray(
        np.zeros((4, 3), np.float32), "NIFTI_INTENT_POINTSET", "NIFTI_TYPE_FLOAT32"
    )
    nib.save(nib.gifti.GiftiImage(darrays=[points]), tmp_path / "lh.surf.gii")
    with pytest.raises(RequestError, match="surface and no map"):
        file_layer(workspace, str(tmp_path / "lh.surf.gii"))


def test_damage_is_said_at_any_byte(tree: TinyTree, workspace: Workspace, tmp_path: Path) -> None:
    affine = tree.subjects[1].geometry.affines[FUNC]
    values = np.random.default_rng(4).normal(size=workspace.grid).astype(np.float32)
    whole = {
        "a.nii": save(tmp_path / "a.nii", values, affine, 1),
        "a.nii.gz": save(tmp_path / "a.nii.gz", values, affine, 1),
        "lh.a.gii": save_gifti(tmp_path / "lh.a.gii", values.ravel()[:133]),
    }
    rng = np.random.default_rng(5)
    for name, path in whole.items():
        raw = path.read_bytes()
        for n in [0, 1, 4, 100, len(raw) - 9, *rng.integers(0, len(raw) - 9, 6)]:
            cut = tmp_path / f"cut{n}-{name}"
            cut.write_bytes(raw[:n])
            with pytest.raises(DataError):
                file_layer(workspace, str(cut))


# --- other spaces of the window and the command line ------------------------------------------------


def test_a_map_reaches_every_space_that_betas_come_in(tree: TinyTree, tmp_path: Path) -> None:
    geometry = tree.subjects[1].geometry
    root, index = NsdRoot.open(tree.root), geometry.positions(FUNC)
    affine = geometry.affines[FUNC]
    mni = apply_affine(np.linalg.inv(geometry.to_anat_mm[FUNC]), geometry.positions("MNI"))
    truth = field(apply_affine(affine, mni))
    values = field(positions(index.shape[:3], affine)).astype(np.float32)
    path = str(save(tmp_path / "f.nii", values, affine, 1))
    in_mni = Workspace(root, 1, Space.MNI, BetaVersion.parse(B2), "conse")
    found = file_layer(in_mni, path)
    seen = np.isfinite(found.volume)
    assert seen.sum() > 50
    np.testing.assert_allclose(found.volume[seen], truth[seen], atol=0.02)
    on_sphere = Workspace(root, 1, Space.FSAVERAGE, BetaVersion.parse(B3), "conse")
    spread = file_layer(on_sphere, path)
    assert set(spread.vertices) == set(Hemisphere) and spread.volume is None
    assert spread.title.endswith("func1pt8 → fsaverage, linear")
    for hemisphere, mesh in on_sphere.meshes.items():
        assert spread.vertices[hemisphere].shape == (mesh.n_vertices,)
