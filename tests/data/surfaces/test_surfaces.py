"""Any FreeSurfer folder is read as it was written, and no damaged file passes for a whole one."""

from pathlib import Path

import nibabel.freesurfer as fs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsdviewer.data.formats.volumes import write_mgh
from nsdviewer.data.layout import NsdRoot
from nsdviewer.data.surfaces.meshes import (
    count_vertices,
    list_scalars,
    list_shapes,
    load_hemimesh,
    load_hemisphere,
    open_freesurfer,
    read_label,
    read_mesh,
    read_patch,
    read_scalars,
    read_surface,
)
from nsdviewer.errors import DataError, RequestError
from nsdviewer.state import Hemisphere

LEFT, RIGHT = Hemisphere.LEFT, Hemisphere.RIGHT
# An octahedron with a cap: small, closed, and no symmetric numbering.
POINTS = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1.5]])
FACES = np.array(
    [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]]
)
IN_PATCH = np.array([4, 0, 2, 1])
SHAPES = ("white", "pial", "inflated", "sphere", "sphere.reg", "smoothwm", "orig", "semiinflated")


def write_patch(path: Path, indices: np.ndarray, points: np.ndarray, border=()) -> None:
    rows = np.zeros(len(indices), np.dtype([("index", ">i4"), ("xyz", ">f4", 3)]))
    rows["index"] = np.where(np.isin(indices, border), -1, 1) * (np.asarray(indices) + 1)
    rows["xyz"] = points
    path.write_bytes(np.array([-1, len(rows)], ">i4").tobytes() + rows.tobytes())


def write_subject(folder: Path, sides=(LEFT, RIGHT)) -> Path:
    (folder / "surf").mkdir(parents=True)
    for side in sides:
        for k, shape in enumerate((*SHAPES, "layerB1", "layerB2", "layerB3", "pial.T1")):
            path = folder / "surf" / f"{side.value}.{shape}"
            fs.write_geometry(path, POINTS * (k + 1), FACES, create_stamp="made by a test")
        for name in ("sulc", "curv", "thickness", "area"):
            fs.write_morph_data(folder / "surf" / f"{side.value}.{name}", np.arange(6.0), 8)
        for name in ("full.flat.patch.3d", "full.patch.3d"):
            write_patch(folder / "surf" / f"{side.value}.{name}", IN_PATCH, POINTS[IN_PATCH], [0])
    return folder


@pytest.fixture
def subject(tmp_path: Path) -> Path:
    return write_subject(tmp_path / "bert")


def test_every_shape_comes_back_as_written(subject: Path) -> None:
    shapes = list_shapes(subject)
    assert set(shapes) == {*SHAPES, "layerB1", "layerB2", "layerB3", "pial.T1"} | {
        "full.flat.patch.3d",
        "full.patch.3d",
    }
    for k, shape in enumerate(SHAPES):
        surface = read_surface(subject, RIGHT, shape)
        np.testing.assert_array_equal(surface.vertices_mm, (POINTS * (k + 1)).astype(np.float32))
        np.testing.assert_array_equal(surface.faces, FACES)
    assert list_scalars(subject) == ("sulc", "curv", "thickness", "area")
    np.testing.assert_array_equal(read_scalars(subject / "surf/lh.thickness"), np.arange(6))


def test_a_patch_has_the_faces_that_lie_in_it(subject: Path) -> None:
    patch = read_surface(subject, LEFT, "full.flat.patch.3d")
    inside = np.isfinite(patch.vertices_mm).all(axis=1)
    assert np.flatnonzero(inside).tolist() == sorted(IN_PATCH)
    np.testing.assert_array_equal(patch.vertices_mm[inside], POINTS[inside])
    # Of the eight faces, those without vertices 3 and 5.
    np.testing.assert_array_equal(patch.faces, FACES[:2])
    for name in ("cortex.patch.flat", "occip.patch.3d", "occip.flat.patch.3d"):
        write_patch(subject / "surf" / f"lh.{name}", IN_PATCH, POINTS[IN_PATCH])
        assert name in list_shapes(subject, LEFT)
        np.testing.assert_array_equal(read_surface(subject, LEFT, name).faces, FACES[:2])


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_patches_come_back_as_written(tmp_path_factory, data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 50))
    indices = np.array(data.draw(st.permutations(range(n + 20))))[:n]
    border = data.draw(st.sets(st.sampled_from(indices.tolist())))
    points = np.random.default_rng(n).normal(size=(n, 3)).astype(np.float32)
    path = tmp_path_factory.getbasetemp() / "lh.any.patch.3d"
    write_patch(path, indices, points, sorted(border))
    read_indices, read_points = read_patch(path, n + 20)
    np.testing.assert_array_equal(read_indices, indices)
    np.testing.assert_array_equal(read_points, points)


VOLUME_INFO = {
    "head": np.array([2, 0, 20]),
    "valid": "1  # volume info valid",
    "filename": "vol.nii",
    "volume": np.array([1, 2, 3]),
    **{key: np.array([0.1, 0.2, 0.3]) for key in ("voxelsize", "xras", "yras", "zras", "cras")},
}


VALUES = np.arange(6, dtype=np.float32) * 7 - 3


def write_kind(path: Path, kind: str) -> None:
    """Write a small file of each kind that FreeSurfer has or had."""
    if kind == "mesh":
        fs.write_geometry(path, POINTS, FACES, "a stamp", VOLUME_INFO)
    elif kind == "quads":
        head = b"\xff\xff\xfd" + (6).to_bytes(3, "big") + (2).to_bytes(3, "big")
        quads = b"".join(int(v).to_bytes(3, "big") for v in (0, 2, 1, 4, 1, 3, 0, 5))
        path.write_bytes(head + POINTS.astype(">f4").tobytes() + quads)
    elif kind == "map":
        fs.write_morph_data(path, VALUES, 8)
    elif kind == "old map":
        head = (6).to_bytes(3, "big") + (8).to_bytes(3, "big")
        path.write_bytes(head + (VALUES * 100).astype(">i2").tobytes())
    elif kind == "patch":
        write_patch(path, IN_PATCH, POINTS[IN_PATCH])
    else:
        write_mgh(path, VALUES)


@pytest.mark.parametrize(
    ("kind", "read"),
    [
        ("mesh", read_mesh),
        ("quads", read_mesh),
        ("map", lambda path: (read_scalars(path),)),
        ("old map", lambda path: (read_scalars(path),)),
        (".mgh", lambda path: (read_scalars(path),)),
        (".mgz", lambda path: (read_scalars(path),)),
        ("patch", read_patch),
    ],
)
def test_a_file_cut_off_at_any_byte_is_refused_or_right(tmp_path: Path, kind: str, read) -> None:
    suffix = kind if kind.startswith(".") else ""
    path, cut = tmp_path / f"lh.whole{suffix}", tmp_path / f"lh.cut{suffix}"
    write_kind(path, kind)
    whole, raw = read(path), path.read_bytes()
    if "map" in kind or suffix:
        np.testing.assert_array_equal(whole[0], VALUES)
    n_refused = 0
    for n_bytes in range(len(raw)):
        cut.write_bytes(raw[:n_bytes])
        try:
            found = read(cut)
        except DataError as error:
            assert "lh.cut" in str(error)
            n_refused += 1
        else:
            for one, other in zip(found, whole, strict=True):
                np.testing.assert_array_equal(one, other)
    # What may be lost is what follows the data.
    assert n_refused >= min(len(raw), sum(part.nbytes for part in whole) // 2)


@given(where=st.integers(0, 400), what=st.binary(min_size=1, max_size=8))
@settings(max_examples=200, deadline=None)
def test_overwritten_bytes_never_crash(tmp_path_factory, where: int, what: bytes) -> None:
    folder = tmp_path_factory.getbasetemp() / "overwritten"
    folder.mkdir(exist_ok=True)
    fs.write_geometry(folder / "mesh", POINTS, FACES, "a stamp")
    fs.write_morph_data(folder / "map", np.arange(6.0), 8)
    write_patch(folder / "patch", IN_PATCH, POINTS[IN_PATCH])
    for name, read in (("mesh", read_mesh), ("map", read_scalars), ("patch", read_patch)):
        path = folder / name
        raw = bytearray(path.read_bytes())
        start = where % len(raw)
        raw[start : start + len(what)] = what
        path.write_bytes(raw)
        try:
            found = read(path)
        except DataError:
            continue
        if name == "mesh":
            assert found[1].min() >= 0
            assert found[1].max() < len(found[0])
            assert np.isfinite(found[0]).all()


def test_shapes_of_one_hemisphere_share_their_vertices(subject: Path) -> None:
    fs.write_geometry(subject / "surf/lh.inflated", POINTS[:5], FACES[:4])
    with pytest.raises(DataError, match=r"lh\.inflated has 5 vertices, but .*lh\.white has 6"):
        read_surface(subject, LEFT, "inflated")
    with pytest.raises(DataError, match=r"lh\.inflated has 5 vertices, but .*lh\.pial has 6"):
        load_hemimesh(subject, LEFT)
    # The other hemisphere has vertices of its own; so has a surface with holes.
    assert load_hemimesh(subject, RIGHT).n_vertices == 6
    fs.write_geometry(subject / "surf/lh.orig.nofix", POINTS[:5], FACES[:4])
    assert len(read_surface(subject, LEFT, "orig.nofix").vertices_mm) == 5
    write_patch(subject / "surf/rh.full.flat.patch.3d", np.array([0, 6]), POINTS[:2])
    for read in (lambda: load_hemimesh(subject, RIGHT), lambda: patch_of(subject)):
        with pytest.raises(DataError, match=r"rh\.full\.flat\.patch\.3d names vertex 6"):
            read()


def patch_of(subject: Path) -> object:
    return read_surface(subject, RIGHT, "full.flat.patch.3d")


@pytest.mark.parametrize("indices", [[-1, 2], [2, 2], []])
def test_patches_of_impossible_vertices_are_refused(tmp_path: Path, indices: list[int]) -> None:
    path = tmp_path / "lh.wrong.patch.3d"
    write_patch(path, np.array(indices, int), POINTS[: len(indices)])
    with pytest.raises(DataError, match="wrong"):
        read_patch(path)
    write_patch(path, np.array([0]), np.array([[np.nan, 0, 0]]))
    with pytest.raises(DataError, match="no numbers"):
        read_patch(path)


def test_what_is_missing_is_done_without(subject: Path) -> None:
    whole = load_hemimesh(subject, LEFT)
    assert not np.array_equal(whole.pial_mm, whole.inflated_mm)
    assert np.isfinite(whole.flat_mm).all(axis=1).sum() == len(IN_PATCH)
    for name in ("inflated", "sulc", "full.flat.patch.3d"):
        (subject / f"surf/lh.{name}").unlink()
    mesh = load_hemimesh(subject, LEFT)
    np.testing.assert_array_equal(mesh.inflated_mm, mesh.pial_mm)
    assert mesh.flat_mm is None
    assert not mesh.sulc.any()
    write_patch(subject / "surf/lh.cortex.patch.flat", IN_PATCH, POINTS[IN_PATCH])
    np.testing.assert_array_equal(load_hemimesh(subject, LEFT).flat_mm, whole.flat_mm)


def test_any_subjects_dir_is_listed(subject: Path) -> None:
    write_subject(subject.parent / "ernie", sides=(RIGHT,))
    (subject.parent / "notes").mkdir()
    found = open_freesurfer(subject.parent)
    assert found.subjects == ("bert", "ernie")
    assert count_vertices(found.folder("ernie"), LEFT) is None
    assert load_hemimesh(found.folder("ernie"), RIGHT).n_vertices == 6
    with pytest.raises(DataError, match=r"lh\.pial is missing"):
        load_hemimesh(found.folder("ernie"), LEFT)
    with pytest.raises(RequestError, match="Did you mean 'bert'"):
        found.folder("brt")
    for folder, says in ((subject, "itself a subject"), (subject / "none", "no folder")):
        with pytest.raises(DataError, match=says):
            open_freesurfer(folder)


def test_an_unknown_shape_and_a_missing_fsaverage_say_what_to_do(subject: Path) -> None:
    with pytest.raises(RequestError, match="Did you mean 'pial'"):
        read_surface(subject, LEFT, "pail")
    for read in (load_hemimesh, lambda folder, side: read_surface(folder, side, "pial")):
        with pytest.raises(DataError, match=r"FreeSurfer installation.*load_fsaverage"):
            read(subject.parent / "fsaverage", LEFT)


def test_a_label_holds_what_it_promises(tmp_path: Path) -> None:
    path = tmp_path / "lh.V1.label"
    path.write_text("#!ascii label\n2\n5 0 0 0 0\n1 1 2 3 0\n")
    assert read_label(path).tolist() == [5, 1]
    path.write_text("#!ascii label\n0\n")
    assert read_label(path).size == 0
    for text in ("#!ascii label\n3\n5 0 0 0 0\n", "", "#!ascii label\nx\n", "\n1\n-4 0 0 0 0\n"):
        path.write_text(text)
        with pytest.raises(DataError, match=r"lh\.V1\.label"):
            read_label(path)


def test_simulated_and_native_hemispheres_are_whole(mini_root: Path) -> None:
    files = NsdRoot.open(mini_root).subject(1)
    for side in Hemisphere:
        mesh = load_hemisphere(files, side)
        stock = load_hemimesh(files.root.fsaverage, side)
        assert len(mesh.faces) == len(stock.faces)
        assert mesh.flat_mm is not None
        assert {"layerB1", "white", "sphere.reg"} <= set(list_shapes(files.freesurfer, side))
