"""Places and the ways between them: names, grids, mirrored MNI, damage, and the command."""

import gzip
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nsdviewer.cli import main
from nsdviewer.data.formats.volumes import write_mgh
from nsdviewer.data.spaces.places import Place, Sampling, affine_of, shape_of, steps
from nsdviewer.data.spaces.resampling import Interpolation
from nsdviewer.data.spaces.routes import route
from nsdviewer.data.spaces.transforms import load_vertex_operator
from nsdviewer.errors import DataError, RequestError, SpaceError
from nsdviewer.state import Hemisphere, Space
from tests.data.spaces.transform_tree import (
    GRIDS,
    N_FSAVERAGE,
    N_NATIVE,
    TransformTree,
    build_tree,
    save_nifti,
    slab_affine,
)

NEAREST, LINEAR, WTA = Interpolation.NEAREST, Interpolation.LINEAR, Interpolation.WTA
SURFACES = ("white", "pial", "layerB1", "layerB2", "layerB3", "nativesurface", "fsaverage")
ALL = (*GRIDS, *(f"{h}.{s}" for h in ("lh", "rh") for s in SURFACES))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> TransformTree:
    return build_tree(tmp_path_factory.mktemp("spaces"))


@pytest.fixture
def own_tree(tmp_path: Path) -> TransformTree:
    """A tree to damage."""
    return build_tree(tmp_path / "own")


def way(tree: TransformTree, source: str, target: str) -> Any:
    return route(tree.files, Place.parse(source), Place.parse(target))


def data_in(tree: TransformTree, space: str) -> Any:
    if space in GRIDS:
        return np.nan_to_num(tree.volume(space))
    n = N_FSAVERAGE if space.endswith("fsaverage") else N_NATIVE[space[:2]]
    return np.random.default_rng(n).standard_normal(n)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("func1pt8mm", "func1pt8"), ("func1mm", "func1pt0"), ("func1pt0", "func1pt0"),
        ("func1pt0mm", "func1pt0"), ("mni", "MNI"), (" MNI ", "MNI"), ("anat1pt0", "anat1pt0"),
        ("anat0pt8mm", "anat0pt8"), ("LH.White", "lh.white"), ("rh.layerb2", "rh.layerB2"),
        ("rh.nativesurface", "rh.nativesurface"), ("lh.fsaverage", "lh.fsaverage"),
    ],
)  # fmt: skip
def test_all_spellings_are_read(text: str, name: str) -> None:
    assert str(Place.parse(text)) == name
    assert Place.parse(str(Place.parse(text))) == Place.parse(text)


def test_folder_names_mean_the_same_places() -> None:
    for space, hemisphere in product(Space, (None, *Hemisphere)):
        if (hemisphere is None) == (space in (Space.FUNC1PT8MM, Space.FUNC1MM, Space.MNI)):
            prefix = f"{hemisphere.value}." if hemisphere else ""
            assert Place.of(space, hemisphere) == Place.parse(f"{prefix}{space.value}")


@pytest.mark.parametrize(
    "text", ["func2mm", "", "white", "fsaverage", "lh.MNI", "xh.white", "mm", "lh.", "anat"]
)
def test_other_names_are_refused_with_what_there_is(text: str) -> None:
    with pytest.raises(RequestError, match=r"func1pt8.*layerB1|lh\.|without"):
        Place.parse(text)


def test_every_pair_of_one_hemisphere_has_a_way_and_no_other(tree: TransformTree) -> None:
    for source, target in product(ALL, ALL):
        if source[0] + target[0] in ("lr", "rl"):
            with pytest.raises(SpaceError, match=f"{source}.*{target}"):
                way(tree, source, target)
            continue
        moved = way(tree, source, target).apply(data_in(tree, source), LINEAR)
        expected = shape_of(tree.files, Place.parse(target))
        assert moved.shape == expected, (source, target)
        assert np.isfinite(moved).any(), (source, target)


def test_steps_join_up() -> None:
    places = [Place.parse(name) for name in ALL]
    for source, target in product(places, places):
        if source.hemisphere and target.hemisphere and source.hemisphere != target.hemisphere:
            continue
        chain = steps(source, target)
        if not chain:
            assert source.samples_as(target)
            continue
        assert chain[0][0] == source
        assert chain[-1][1] == target
        assert all(a[1] == b[0] for a, b in pairwise(chain))


def test_the_same_samples_are_left_as_they_are(tree: TransformTree) -> None:
    for source, target in [("lh.white", "lh.layerB3"), ("MNI", "MNI"), ("func1mm", "func1pt0")]:
        data = data_in(tree, source if source in ALL else "func1pt0")
        np.testing.assert_array_equal(way(tree, source, target).apply(data), data)


def test_functional_preparations_share_their_corner(tree: TransformTree) -> None:
    """Specification 1.4, in its own 1-based words: the index of 1 mm voxels in the 1.8 mm grid."""
    coarse, fine = GRIDS["func1pt8"], GRIDS["func1pt0"]
    ramp = np.stack(np.indices(coarse), -1) + 1.0
    seen = way(tree, "func1pt8mm", "func1mm").apply(ramp, LINEAR)
    i1, j1, k1 = np.indices(fine) + 1.0
    expected = np.stack(
        [(i1 - fine[0]) / 1.8 + coarse[0], (j1 - fine[1]) / 1.8 + coarse[1], (k1 - 1) / 1.8 + 1], -1
    )
    inside = ((np.round(expected, 9) >= 1) & (np.round(expected, 9) <= coarse)).all(-1)
    np.testing.assert_allclose(seen[inside], expected[inside], atol=1e-6)
    assert np.isnan(seen[~inside]).all()
    # The shared corner is there in both directions, exactly.
    for source, target in (("func1pt8", "func1pt0"), ("func1pt0", "func1pt8")):
        data = data_in(tree, source)
        moved = way(tree, source, target).apply(data, LINEAR)
        assert moved[-1, -1, 0] == pytest.approx(data[-1, -1, 0])


def test_anatomical_resolutions_share_their_field_of_view(tree: TransformTree) -> None:
    """The affines of specification 1.3-1.4 hold among these three: one world."""
    for source, target in (("anat0pt5", "anat1pt0"), ("anat1pt0", "anat0pt8")):
        mm = [slab_affine(s)[0] @ [1, 0, 0, 0] * np.indices(GRIDS[s]) for s in (source, target)]
        origins = [slab_affine(s)[:3, 3].reshape(3, 1, 1, 1) for s in (source, target)]
        world = [np.moveaxis(m + o, 0, -1) for m, o in zip(mm, origins, strict=True)]
        seen = way(tree, source, target).apply(world[0], LINEAR)
        inside = (np.abs(world[1]) <= np.abs(world[0]).max() + 1e-9).all(-1)
        np.testing.assert_allclose(seen[inside], world[1][inside], atol=1e-9)
        assert np.isnan(seen[~inside]).all()


def test_mni_is_mirrored_once_on_each_way_in_and_out(own_tree: TransformTree) -> None:
    """Warps count the template's X from the right; NSD's files run from the left."""
    grid = GRIDS["MNI"]
    own = np.stack(np.indices(grid), -1) + 1.0
    save_nifti(own_tree.transforms / "MNI-to-func1pt8.nii.gz", own.astype(np.float32), np.eye(4))
    save_nifti(own_tree.transforms / "func1pt8-to-MNI.nii.gz", own.astype(np.float32), np.eye(4))
    mask = own_tree.files.ppdata / "func1pt8mm" / "brainmask.nii.gz"
    save_nifti(mask, np.ones(grid, np.int16), np.eye(4))
    data = np.random.default_rng(0).standard_normal(grid)
    for source, target in (("MNI", "func1pt8"), ("func1pt8", "MNI")):
        np.testing.assert_array_equal(
            way(own_tree, source, target).apply(data, NEAREST), data[::-1]
        )
    there = way(own_tree, "func1pt8", "MNI").apply(data, NEAREST)
    np.testing.assert_array_equal(way(own_tree, "MNI", "func1pt8").apply(there, NEAREST), data)
    left = np.array([[1, 4, 4], [12, 4, 4]], np.float32)
    for depth in ("white", "layerB1", "layerB2", "layerB3"):
        write_mgh(own_tree.transforms / f"lh.MNI-to-{depth}.mgz", left)
    write_mgh(own_tree.transforms / "lh.fsaverage-to-white.mgz", np.ones(2))
    expected = data[[-1, 0], 3, 3]
    for target in ("lh.white", "lh.nativesurface"):
        np.testing.assert_allclose(way(own_tree, "MNI", target).apply(data, NEAREST), expected)
    operator = load_vertex_operator(own_tree.files, Space.MNI, grid, Hemisphere.LEFT)
    np.testing.assert_allclose(operator.matrix @ data.ravel(), expected)
    assert operator.nearest_voxel(0) == (11, 3, 3)


def test_vertex_9999_is_a_vertex(own_tree: TransformTree) -> None:
    write_mgh(own_tree.transforms / "lh.fsaverage-to-white.mgz", np.array([9999, 1]))
    write_mgh(own_tree.transforms / "lh.white-to-fsaverage.mgz", np.ones(10000))
    values = np.arange(10000.0)
    np.testing.assert_array_equal(
        way(own_tree, "lh.fsaverage", "lh.white").apply(values), [9998, 0]
    )


def test_constants_stay_constant_on_all_ways(tree: TransformTree) -> None:
    for source, target in product(ALL, ALL):
        if source[0] + target[0] in ("lr", "rl"):
            continue
        for how in Interpolation:
            ones = np.full_like(data_in(tree, source), 3)
            moved = way(tree, source, target).apply(ones, how, np.nan)
            values = moved[np.isfinite(moved)]
            np.testing.assert_allclose(values, 3, err_msg=f"{source} {target}")


def test_labels_on_the_native_surface_are_voted_over_the_depths(own_tree: TransformTree) -> None:
    for depth, x in (("layerB1", 1), ("layerB2", 2), ("layerB3", 3.2)):
        point = np.array([[x, 1, 1]], np.float32)
        write_mgh(own_tree.transforms / f"lh.func1pt8-to-{depth}.mgz", point)
    labels = np.zeros(GRIDS["func1pt8"])
    labels[:4, 0, 0] = 7, 5, 5, 7
    moved = way(own_tree, "func1pt8", "lh.nativesurface").apply(labels, WTA)
    assert moved.tolist() == [5]
    assert moved.dtype == np.int16


def test_surfaces_reach_other_volumes_by_the_anatomy_that_is_here(own_tree: TransformTree) -> None:
    values = np.full(N_NATIVE["lh"], 2.0)
    assert "anat0pt8" in str(way(own_tree, "lh.white", "func1pt8").files_needed[0])
    for path in own_tree.transforms.glob("*anat0pt8*"):
        path.unlink()
    by_1mm = way(own_tree, "lh.white", "func1pt8")
    assert "anat1pt0" in str(by_1mm.files_needed[0])
    assert np.nanmax(by_1mm.apply(values, LINEAR)) == pytest.approx(2)
    for path in own_tree.transforms.glob("*anat*"):
        path.unlink()
    with pytest.raises(DataError, match=r"lh\.anat0pt8-to-white\.mgz is missing; download"):
        way(own_tree, "lh.white", "func1pt8").apply(values)


def test_labels_become_minus_one_where_a_surface_reaches_nothing(tree: TransformTree) -> None:
    labels = np.arange(N_NATIVE["lh"]) % 3
    ribbon = way(tree, "lh.nativesurface", "anat1pt0").apply(labels, WTA)
    assert set(np.unique(ribbon)) == {-1, 0, 1, 2}
    functional = way(tree, "lh.nativesurface", "func1pt8").apply(labels.astype(float), WTA)
    assert functional.dtype == np.int16
    assert functional.min() == -1
    # Without -1 among the data, or a surface, "none" is 0.
    assert way(tree, "func1pt8", "MNI").default_fill(np.arange(5), NEAREST) == 0
    assert way(tree, "func1pt8", "MNI").default_fill(np.arange(-1.0, 5), WTA) == -1
    assert np.isnan(way(tree, "func1pt8", "MNI").default_fill(np.arange(5), LINEAR))


def test_data_of_another_size_are_never_sampled(tree: TransformTree) -> None:
    for source, target in (
        ("func1pt8", "anat0pt8"), ("anat0pt5", "anat1pt0"), ("MNI", "lh.white"),
        ("lh.white", "anat1pt0"), ("lh.fsaverage", "lh.white"), ("rh.white", "rh.fsaverage"),
    ):  # fmt: skip
        data = data_in(tree, source)
        with pytest.raises(DataError, match="shape"):
            way(tree, source, target).apply(data[1:])
        with pytest.raises(DataError):
            way(tree, source, target).apply(data[..., None, None])


@pytest.mark.parametrize("grid", [(12, 13, 11), (182, 218, 182), (91, 109, 91)])
def test_mni_files_get_the_template_s_affine(tree: TransformTree, grid: Any) -> None:
    affine = affine_of(tree.files, Place(Sampling.MNI), grid)
    mm = 2 if grid[0] == 91 else 1
    np.testing.assert_array_equal(affine[:3, :3], np.eye(3) * mm)
    np.testing.assert_array_equal(affine[:3, 3], [-90 if mm == 2 else -91, -126, -72])


DAMAGED = (
    ("func1pt8", "anat0pt8", "func1pt8-to-anat0pt8.nii.gz"),
    ("func1pt8", "lh.white", "lh.func1pt8-to-white.mgz"),
    ("func1pt8", "lh.nativesurface", "lh.func1pt8-to-layerB2.mgz"),
    ("lh.white", "lh.fsaverage", "lh.white-to-fsaverage.mgz"),
    ("lh.fsaverage", "lh.white", "lh.fsaverage-to-white.mgz"),
    ("lh.white", "anat1pt0", "lh.anat1pt0-to-white.mgz"),
)  # fmt: skip


def move_all(tree: TransformTree, source: str, target: str, how: Interpolation) -> Any:
    return way(tree, source, target).apply(data_in(tree, source), how)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(share=st.floats(0, 1))
@pytest.mark.parametrize(("source", "target", "name"), DAMAGED)
def test_a_truncated_transform_is_named(
    own_tree: TransformTree, source: str, target: str, name: str, share: float
) -> None:
    path = own_tree.transforms / name
    whole = path.read_bytes()
    # The last bytes hold a checksum and a footer, without which the coordinates are all there.
    path.write_bytes(whole[: int(share * (len(whole) - 40))])
    try:
        with pytest.raises(DataError, match=name.replace(".", r"\.")):
            move_all(own_tree, source, target, LINEAR)
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize(("source", "target", "name"), DAMAGED)
def test_a_transform_of_another_kind_is_named(
    own_tree: TransformTree, source: str, target: str, name: str
) -> None:
    path = own_tree.transforms / name
    whole = np.asarray(nib.load(path).dataobj, np.float32)
    if name.endswith(".nii.gz"):
        wrong = [whole[..., :2], whole[..., 0], np.concatenate([whole, whole], -1)]
    elif whole.size == len(whole):
        wrong = [np.stack([whole, whole, whole], -1), whole * 0, whole + 0.5, whole * np.nan]
    else:
        wrong = [whole[..., :2], whole[..., 0], whole.reshape(-1, 3, 1, 3)]
    for array in wrong:
        if name.endswith(".nii.gz"):
            save_nifti(path, array, np.eye(4))
        else:
            nib.save(nib.MGHImage(np.ascontiguousarray(array), np.eye(4)), path)
        with pytest.raises(DataError, match=rf"{name}|\.{name[3:]}"):
            move_all(own_tree, source, target, LINEAR)
    path.unlink()
    with pytest.raises(DataError, match=f"{name} is missing; download nsddata/ppdata/subj01/trans"):
        move_all(own_tree, source, target, LINEAR)


@pytest.mark.parametrize("bad", [np.nan, 9999.0])
def test_transforms_that_look_nowhere_give_the_fill_value(
    own_tree: TransformTree, bad: Any
) -> None:
    for source, target, name in DAMAGED[:3] + DAMAGED[5:]:
        path = own_tree.transforms / name
        nowhere = np.full(nib.load(path).shape, bad, np.float32)
        if name.endswith(".nii.gz"):
            save_nifti(path, nowhere, np.eye(4))
        else:
            nib.save(nib.MGHImage(nowhere, np.eye(4)), path)
        for how in (NEAREST, LINEAR, Interpolation.CUBIC):
            assert np.isnan(move_all(own_tree, source, target, how)).all()


def run(tree: TransformTree, source: str, target: str, into: Path, out: Path, *more: Any) -> int:
    words = ("transform", tree.root, "--subject", 1, "--from", source, "--to", target, *more)
    return main([str(w) for w in (*words, into, out)])


def test_the_command_writes_nsd_s_headers(tree: TransformTree, tmp_path: Path) -> None:
    into = tmp_path / "in.nii.gz"
    for source, target, repetition_s in (
        ("anat0pt8", "func1pt8mm", 4 / 3), ("func1pt8", "anat0pt8", 1.0), ("func1mm", "mni", 1.0)
    ):  # fmt: skip
        space = str(Place.parse(source))
        data = tree.volume(space, n=2)
        save_nifti(into, data, slab_affine(space))
        out = tmp_path / "made" / f"{target}.nii.gz"
        assert run(tree, source, target, into, out, "--interp", "linear") == 0
        image = nib.load(out)
        place = Place.parse(target)
        np.testing.assert_array_equal(
            image.get_fdata(), way(tree, source, target).apply(data, LINEAR)
        )
        header = image.header
        assert (int(header["sform_code"]), int(header["qform_code"])) == (1, 0)
        assert int(header["xyzt_units"]) == 0
        assert float(header["pixdim"][4]) == pytest.approx(repetition_s)
        if place.kind is Sampling.MNI:
            expected = np.eye(4)
            expected[:3, 3] = -91, -126, -72
        else:
            expected = slab_affine(str(place))
        np.testing.assert_allclose(image.affine, expected, atol=1e-5)
        assert list(out.parent.iterdir()) == [out]
        out.unlink()


def test_labels_go_through_the_command_as_integers(tree: TransformTree, tmp_path: Path) -> None:
    into, out = tmp_path / "roi.nii.gz", tmp_path / "moved.nii"
    labels = tree.labels("func1pt8")
    save_nifti(into, labels, slab_affine("func1pt8"))
    assert run(tree, "func1pt8", "MNI", into, out, "--interp", "wta") == 0
    moved = nib.load(out)
    assert moved.get_data_dtype() == np.int16
    assert set(np.unique(np.asarray(moved.dataobj))) == {-1, 0, 1, 2, 3, 4}
    assert run(tree, "func1pt8", "MNI", into, out, "--interp", "wta", "--fill", "nan") == 0
    assert np.isnan(nib.load(out).get_fdata()).any()
    save_nifti(into, labels + 0.25, slab_affine("func1pt8"))
    before = out.read_bytes()
    assert run(tree, "func1pt8", "MNI", into, out, "--interp", "wta") == 1
    assert out.read_bytes() == before


def test_surfaces_go_through_the_command_and_back(tree: TransformTree, tmp_path: Path) -> None:
    volume, native, average = (tmp_path / n for n in ("v.nii.gz", "lh.n.mgz", "lh.a.mgh"))
    data = tree.volume("func1pt8")
    save_nifti(volume, data, slab_affine("func1pt8"))
    assert run(tree, "func1pt8", "lh.nativesurface", volume, native) == 0
    assert run(tree, "lh.white", "lh.fsaverage", native, average) == 0
    direct = tmp_path / "lh.direct.mgz"
    assert run(tree, "func1pt8", "lh.fsaverage", volume, direct) == 0
    images = [nib.load(p) for p in (average, direct)]
    assert images[0].shape == (N_FSAVERAGE, 1, 1)
    np.testing.assert_array_equal(images[0].dataobj, images[1].dataobj)
    back = tmp_path / "back.nii.gz"
    assert run(tree, "lh.fsaverage", "anat1pt0", average, back, "--fill", 0) == 0
    assert np.isfinite(nib.load(back).get_fdata()[..., 0]).any()


def test_a_template_stored_from_right_to_left_is_turned(
    tree: TransformTree, tmp_path: Path
) -> None:
    outs = []
    data = tree.volume("MNI")
    for k, (array, x) in enumerate(((data, 1.0), (data[::-1], -1.0))):
        into, out = tmp_path / f"in{k}.nii.gz", tmp_path / f"out{k}.nii.gz"
        save_nifti(into, array, np.diag([x, 1, 1, 1]))
        assert run(tree, "MNI", "func1pt8", into, out) == 0
        outs.append(nib.load(out).get_fdata())
    np.testing.assert_array_equal(outs[0], outs[1])


def test_faults_of_the_command_are_one_sentence(
    tree: TransformTree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, out = tmp_path / "good.nii.gz", tmp_path / "out.nii.gz"
    save_nifti(good, tree.volume("func1pt8"), slab_affine("func1pt8"))
    small, mirrored = tmp_path / "small.nii.gz", tmp_path / "mirrored.nii.gz"
    save_nifti(small, np.ones((3, 3, 3)), np.eye(4))
    save_nifti(mirrored, np.ones(GRIDS["func1pt8"]), np.diag([-1, 1, 1, 1.0]))
    flat, damaged = tmp_path / "lh.flat.mgz", tmp_path / "damaged.nii.gz"
    write_mgh(flat, np.ones(N_NATIVE["lh"]))
    damaged.write_bytes(gzip.compress(b"no image"))
    cases = [
        ("func1pt8", "nowhere", good, out), ("func1pt8", "MNI", good, tmp_path / "o.mgz"),
        ("func1pt8", "lh.white", good, out), ("func1pt8", "lh.white", good, tmp_path / "rh.o.mgz"),
        ("func1pt8", "MNI", small, out), ("func1pt8", "MNI", mirrored, out),
        ("func1pt8", "MNI", tmp_path / "none.nii.gz", out), ("func1pt8", "MNI", damaged, out),
        ("rh.white", "anat1pt0", flat, out), ("lh.white", "rh.fsaverage", flat, flat),
        ("lh.white", "fsaverage", flat, tmp_path / "o.mgz"), ("lh.white", "anat1pt0", good, out),
    ]  # fmt: skip
    missing = tree.transforms / "func1pt0-to-MNI.nii.gz"
    missing.rename(missing.with_name("elsewhere"))
    save_nifti(tmp_path / "fine.nii.gz", np.ones(GRIDS["func1pt0"]), np.eye(4))
    cases.append(("func1mm", "MNI", tmp_path / "fine.nii.gz", out))
    there = sorted(tmp_path.iterdir())
    for source, target, into, result in cases:
        assert run(tree, source, target, into, result) == 1, (source, target, into, result)
        lines = [x for x in capsys.readouterr().err.splitlines() if x.startswith("nsdviewer:")]
        assert len(lines) == 1
        assert lines[0].endswith(".")
    missing.with_name("elsewhere").rename(missing)
    assert sorted(tmp_path.iterdir()) == there
