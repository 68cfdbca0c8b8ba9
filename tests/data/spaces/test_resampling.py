"""Interpolation agrees with NSD's own tool, except where the specification names its fault."""

import importlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import scipy.ndimage as ndi
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nsdviewer.data.spaces.places import Place
from nsdviewer.data.spaces.resampling import (
    Interpolation,
    ScaledPullBack,
    StoredPullBack,
    as_labels,
    inside_grid,
    resample,
    result_dtype,
)
from nsdviewer.data.spaces.routes import route, spread_together
from nsdviewer.data.spaces.weights import (
    heaviest_label,
    spreading_matrix,
    trilinear_matrix,
    weighted_average,
)
from nsdviewer.errors import DataError
from tests.data.spaces.transform_tree import GRIDS, N_FSAVERAGE, N_NATIVE, TransformTree, build_tree

Peer = Callable[..., NDArray[Any]]
FLOATS = (Interpolation.NEAREST, Interpolation.LINEAR, Interpolation.CUBIC)
VOLUME_PAIRS = [
    ("func1pt8", "anat0pt8"), ("anat1pt0", "func1pt0"), ("func1pt0", "MNI"), ("MNI", "func1pt8"),
    ("anat0pt5", "MNI"),
]  # fmt: skip


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> TransformTree:
    return build_tree(tmp_path_factory.mktemp("spaces"))


@pytest.fixture
def peer(tree: TransformTree, monkeypatch: pytest.MonkeyPatch) -> Peer:
    """The public package's one call, for subject 1, NaN where it sees nothing."""
    # It dates from 2021 and uses a name that NumPy has dropped since.
    monkeypatch.setattr(np, "int", int, raising=False)
    fit = importlib.import_module("nsdcode").NSDmapdata(str(tree.root)).fit
    return partial(fit, 1, badval=np.nan)


def ours(tree: TransformTree, source: str, target: str, data: Any, how: Interpolation) -> Any:
    return route(tree.files, Place.parse(source), Place.parse(target)).apply(data, how, np.nan)


def both_valid(raw: NDArray[np.float64], source: tuple[int, ...]) -> Any:
    """Where the two tools agree that a point lies in the source grid.

    Ours: 1 <= c <= N in the file's 1-based coordinates, none of them 9999. The public package
    subtracts 1 and then applies the same test: it asks for 2 <= c <= N + 1 (specification 4.3).
    """
    size = np.array(source)
    rightly = ((raw >= 1) & (raw <= size)).all(-1)
    theirs = ((raw >= 2) & (raw <= size + 1)).all(-1)
    first_layer = rightly & ~theirs
    beyond_last = theirs & ~rightly
    assert first_layer.any()
    assert beyond_last.any()
    return rightly, first_layer, beyond_last


def as_stored(space: str, data: Any) -> Any:
    """An array in the order that the public package works in: MNI as FSL's template."""
    return data[::-1] if space == "MNI" else data


@pytest.mark.parametrize(("source", "target"), VOLUME_PAIRS)
@pytest.mark.parametrize("how", [*FLOATS, Interpolation.WTA])
def test_volumes_move_as_with_nsdcode(
    tree: TransformTree, peer: Peer, source: str, target: str, how: Interpolation
) -> None:
    data = tree.labels(source) if how is Interpolation.WTA else tree.volume(source)
    theirs = peer(source, target, as_stored(source, data), interptype=how.value)
    mine = as_stored(target, ours(tree, source, target, data, how))
    raw = tree.raw(f"{source}-to-{target}.nii.gz")
    valid, first_layer, beyond_last = both_valid(raw, GRIDS[source])
    np.testing.assert_array_equal(np.isfinite(mine), valid)
    assert np.isnan(theirs[first_layer]).all()
    assert np.isfinite(theirs[beyond_last]).all()
    common = valid & ~first_layer
    assert common.mean() > 0.3
    np.testing.assert_allclose(mine[common], theirs[common], rtol=1e-10, atol=1e-12)


def test_several_volumes_move_as_with_nsdcode(tree: TransformTree, peer: Peer) -> None:
    data = tree.volume("func1pt8", n=3)
    theirs = peer("func1pt8", "anat1pt0", data, interptype="cubic")
    mine = ours(tree, "func1pt8", "anat1pt0", data, Interpolation.CUBIC)
    common = np.isfinite(theirs) & np.isfinite(mine)
    assert mine.shape == theirs.shape == (16, 16, 16, 3)
    assert common.mean() > 0.3
    np.testing.assert_allclose(mine[common], theirs[common], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("how", [*FLOATS, Interpolation.WTA])
@pytest.mark.parametrize("target", ["lh.white", "rh.pial", "lh.layerB2"])
@pytest.mark.parametrize("source", ["func1pt0", "MNI"])
def test_volumes_move_to_surfaces_as_with_nsdcode(
    tree: TransformTree, peer: Peer, source: str, target: str, how: Interpolation
) -> None:
    data = tree.labels(source) if how is Interpolation.WTA else tree.volume(source)
    theirs = peer(source, target, as_stored(source, data), interptype=how.value)
    mine = ours(tree, source, target, data, how)
    h, layer = target.split(".")
    raw = tree.raw(f"{h}.{source}-to-{layer}.mgz")
    valid = ((raw >= 1) & (raw <= GRIDS[source])).all(-1)
    np.testing.assert_array_equal(np.isfinite(mine), valid)
    common = valid & np.isfinite(theirs)
    assert common.sum() > 20
    np.testing.assert_allclose(mine[common], theirs[common], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("how", FLOATS)
def test_native_surface_is_the_mean_of_three_depths_of_nsdcode(
    tree: TransformTree, peer: Peer, how: Interpolation
) -> None:
    data = tree.volume("func1pt0", 3, n=2)
    depths = [
        peer("func1pt0", f"lh.layerB{k}", data, interptype=how.value) for k in (1, 2, 3)
    ]  # fmt: skip
    theirs = np.mean(depths, axis=0)
    mine = ours(tree, "func1pt0", "lh.nativesurface", data, how)
    common = np.isfinite(theirs) & np.isfinite(mine)
    assert common.mean() > 0.1
    np.testing.assert_allclose(mine[common], theirs[common], rtol=1e-10, atol=1e-12)
    # Then NSD takes the nearest vertex.
    there = peer("lh.white", "fsaverage", theirs)
    onto = ours(tree, "func1pt0", "lh.fsaverage", data, how)
    common = np.isfinite(there) & np.isfinite(onto)
    assert common.mean() > 0.1
    np.testing.assert_allclose(onto[common], there[common], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("h", ["lh", "rh"])
def test_vertices_move_to_fsaverage_and_back_as_with_nsdcode(
    tree: TransformTree, peer: Peer, h: str
) -> None:
    rng = np.random.default_rng(0)
    native, average = rng.standard_normal((N_NATIVE[h], 2)), rng.standard_normal(N_FSAVERAGE)
    native[3] = np.nan
    theirs = peer(f"{h}.white", "fsaverage", native)
    mine = ours(tree, f"{h}.white", f"{h}.fsaverage", native, Interpolation.CUBIC)
    np.testing.assert_array_equal(mine, theirs)
    theirs = peer("fsaverage", f"{h}.white", average)
    mine = ours(tree, f"{h}.fsaverage", f"{h}.white", average, Interpolation.CUBIC)
    np.testing.assert_array_equal(mine, theirs)


@pytest.fixture
def peer_spread(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> Peer:
    """The public package's spreading, which `fit` calls with a grid of 256 or more.

    Averages cannot be had from it as it is: its `zerodiv` asks for the truth of an array, and
    indexes one row of voxels with as many answers as there are voxels; both raise. (`fit` would
    then move the first axis of the volume to the end.) The division is therefore ours, the weights
    and sums are its own.
    """

    def divide(sums: Any, weights: Any, empty: float) -> Any:
        return np.where(weights == 0, empty, sums / np.where(weights == 0, 1, weights))

    module = importlib.import_module("nsdcode.mapsurfacetovolume")
    monkeypatch.setattr(module, "zerodiv", divide)
    function: Peer = module.mapsurfacetovolume
    return function


@pytest.mark.parametrize("places", [("lh.white",), ("lh.layerB1", "rh.pial")])
@pytest.mark.parametrize("vote", [False, True])
def test_surfaces_are_spread_as_with_nsdcode(
    tree: TransformTree, peer_spread: Peer, places: tuple[str, ...], vote: bool
) -> None:
    rng = np.random.default_rng(1)
    grid = GRIDS["anat1pt0"]
    raw = np.concatenate(
        [tree.raw(f"{p[:2]}.anat1pt0-to-{p[3:]}.mgz") for p in places]
    )  # fmt: skip
    values = [
        # The public package takes labels for row numbers, so they have to run from 0.
        rng.integers(0, 4, N_NATIVE[p[:2]]) if vote else rng.standard_normal(N_NATIVE[p[:2]])
        for p in places
    ]
    how = Interpolation.WTA if vote else Interpolation.LINEAR
    spaces = [Place.parse(p) for p in places]
    mine = spread_together(tree.files, spaces, values, Place.parse("anat1pt0"), how, -7)
    # It fails on vertices outside the grid, so it never gets to see them.
    inside = ((raw >= 1) & (raw <= 16)).all(-1)
    assert not inside.all()
    # Whole coordinates, counted twice by both.
    assert (raw[inside] == np.rint(raw[inside])).any()
    data = np.concatenate(values)[inside][None].astype(float)
    theirs = np.asarray(peer_spread(data, raw[inside].T, 16, vote, -7)).reshape(grid)
    np.testing.assert_allclose(mine, theirs, rtol=1e-10, atol=1e-12)
    assert 0 < (mine == -7).mean() < 1
    if vote:
        assert np.issubdtype(mine.dtype, np.integer)


def slow_vote(labels: NDArray[Any], points: NDArray[np.float64]) -> NDArray[Any]:
    """One indicator a label, interpolated by scipy."""
    known = np.unique(labels)
    shares = [
        ndi.map_coordinates((labels == k).astype(float), points.T, order=1, mode="nearest")
        for k in known
    ]
    return known[np.argmax(np.round(shares, 12), axis=0)]


@settings(max_examples=30, deadline=None)
@given(
    st.tuples(*[st.integers(1, 5)] * 3), st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 4, 1000])
)
def test_the_vote_is_the_argmax_of_indicators_and_ties_go_to_the_lowest(
    grid: tuple[int, int, int], seed: int, parts: int
) -> None:
    rng = np.random.default_rng(seed)
    labels = np.asarray(rng.integers(-1, 4, grid), order="CF"[seed % 2])
    # Halves and quarters of a voxel make ties.
    points = np.round(rng.uniform(0, 1, (200, 3)) * (np.array(grid) - 1) * parts) / parts
    pullback = StoredPullBack(points + 1)
    found = resample(labels, pullback, Interpolation.WTA, -1)
    np.testing.assert_array_equal(found, slow_vote(labels, points))


@settings(max_examples=30, deadline=None)
@given(st.tuples(*[st.integers(1, 6)] * 3), st.integers(0, 2**32 - 1), st.sampled_from(FLOATS))
def test_interpolation_equals_scipy_from_the_first_to_the_last_layer(
    grid: tuple[int, int, int], seed: int, how: Interpolation
) -> None:
    rng = np.random.default_rng(seed)
    volume = rng.standard_normal(grid)
    points = rng.uniform(-0.6, np.array(grid) - 0.4, (100, 3))
    points[:30] = np.rint(points[:30])
    found = resample(volume, StoredPullBack(points + 1), how, -9.0)
    inside = ((points + 1 - 1 >= 0) & (points + 1 - 1 <= np.array(grid) - 1)).all(1)
    order = {"nearest": 0, "linear": 1, "cubic": 3}[how.value]
    expected = ndi.map_coordinates(volume, points.T, order=order, mode="nearest")
    np.testing.assert_allclose(found, np.where(inside, expected, -9.0), rtol=1e-9, atol=1e-9)
    if how is Interpolation.LINEAR:
        matrix = trilinear_matrix(points, grid)
        np.testing.assert_allclose(matrix @ volume.ravel(), np.where(inside, expected, 0.0))


@pytest.mark.parametrize("how", list(Interpolation))
def test_constants_stay_constant_and_the_identity_changes_nothing(how: Interpolation) -> None:
    grid = (4, 5, 3)
    index = np.stack(np.indices(grid), -1) + 1.0
    labels = np.arange(60).reshape(grid) % 7
    np.testing.assert_allclose(resample(labels, StoredPullBack(index), how), labels, atol=1e-12)
    rng = np.random.default_rng(0)
    anywhere = StoredPullBack(rng.uniform(1, grid, (50, 3)))
    np.testing.assert_allclose(resample(np.full(grid, 5), anywhere, how), 5, rtol=1e-6)


def test_a_place_of_9999_or_nan_on_one_axis_sees_nothing() -> None:
    raw = np.array([[1, 1, 1], [9999, 1, 1], [1, np.nan, 1], [3, 3, 3], [3.01, 3, 3], [0.99, 1, 1]])
    found = resample(np.ones((3, 3, 3)), StoredPullBack(raw), Interpolation.CUBIC)
    np.testing.assert_array_equal(np.isfinite(found), [True, False, False, True, False, False])
    nowhere = StoredPullBack(np.full((4, 3), np.nan))
    for how in Interpolation:
        assert (resample(np.ones((3, 3, 3), np.int16), nowhere, how, -5) == -5).all()


def test_data_of_holes_are_scaled_up_and_not_diluted() -> None:
    volume = np.full((2, 2, 2), np.nan)
    volume[0] = 3.0
    raw = np.array([[1, 1.5, 1.5], [1.4, 1.5, 1.5], [1.6, 1.5, 1.5]])
    plain = resample(volume, StoredPullBack(raw), Interpolation.LINEAR)
    np.testing.assert_allclose(plain, [3, 1.8, 1.2])
    scaled = resample(volume, StoredPullBack(raw), Interpolation.LINEAR, over_holes=True)
    np.testing.assert_allclose(scaled, [3, 3, np.nan])


def test_labels_are_whole_numbers_and_few() -> None:
    np.testing.assert_array_equal(as_labels(np.array([-1.0, 0, 3])), [-1, 0, 3])
    for bad in ([0.5], [np.nan], [np.inf], [2.0**40], np.arange(1001), np.arange(1001) * 10**6):
        with pytest.raises(DataError, match=r"labels|Labels"):
            as_labels(np.asarray(bad))
    assert len(as_labels(np.arange(1000) * 10**6)) == 1000
    with pytest.raises(DataError, match="infinite"):
        pullback = StoredPullBack(np.ones((1, 3)))
        resample(np.full((2, 2, 2), np.inf), pullback, Interpolation.LINEAR)


@pytest.mark.parametrize(
    ("dtype", "how", "fill", "expected"),
    [
        (np.float64, "wta", -1, np.int16), (np.int32, "wta", 0, np.int16),
        (np.int16, "nearest", 0, np.int16), (np.uint8, "nearest", 70000, np.int32),
        (np.int16, "nearest", np.nan, np.float32), (np.int16, "linear", 0, np.float32),
        (np.float64, "cubic", 0, np.float64), (np.float32, "nearest", 0, np.float32),
        (np.int32, "linear", 0, np.float64), (bool, "nearest", 0, np.int16),
    ],
)  # fmt: skip
def test_labels_stay_integers_and_measures_floats(
    dtype: Any, how: str, fill: float, expected: Any
) -> None:
    assert result_dtype(np.ones(3, dtype), Interpolation(how), fill) == expected


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_spreading_is_what_its_words_say(seed: int) -> None:
    rng = np.random.default_rng(seed)
    grid = (3, 4, 3)
    points = rng.uniform(-0.5, np.array(grid) - 0.5, (25, 3))
    points[:5] = np.rint(points[:5])
    points[7] = np.nan
    values, labels = rng.standard_normal(25), rng.integers(-1, 3, 25)
    weight: dict[Any, float] = {}
    for n in np.flatnonzero(inside_grid(points, grid)):
        for ends in np.ndindex(2, 2, 2):
            voxel = np.where(ends, np.ceil(points[n]), np.floor(points[n]))
            key = (*voxel.astype(int).tolist(), int(n))
            weight[key] = weight.get(key, 0.0) + float((1 - abs(voxel - points[n])).sum())
    reached, matrix = spreading_matrix(points, grid)
    average, winner = weighted_average(matrix, values), heaviest_label(matrix, labels)
    seen = {key[:3] for key in weight}
    assert seen == set(zip(*np.unravel_index(reached, grid, order="F"), strict=True))
    for row, voxel in enumerate(zip(*np.unravel_index(reached, grid, order="F"), strict=True)):
        near = {key[3]: w for key, w in weight.items() if key[:3] == voxel}
        total = sum(near.values())
        assert average[row] == pytest.approx(sum(w * values[n] for n, w in near.items()) / total)
        votes = {k: round(sum(w for n, w in near.items() if labels[n] == k), 9) for k in labels}
        assert winner[row] == min(k for k, v in votes.items() if v == max(votes.values()))


def test_scaled_pull_backs_run_in_the_order_of_files() -> None:
    pullback = ScaledPullBack((2, 3, 2), (1 / 1.8, 1.0, 0.5), (8 - 15 / 1.8 + 1 / 3, 0.0, -0.25))
    index = np.stack(np.indices((2, 3, 2)), -1).reshape(-1, 3, order="F")
    expected = index * pullback.scale + pullback.offset
    np.testing.assert_allclose(pullback.block(0, 12), expected, atol=1e-8)
    np.testing.assert_array_equal(pullback.block(5, 9), pullback.block(0, 12)[5:9])


def test_stored_pull_backs_are_read_without_a_copy(tmp_path: Path) -> None:
    raw = np.random.default_rng(0).uniform(1, 5, (3, 4, 2, 3)).astype(np.float32)
    nib.save(nib.Nifti1Image(raw, np.eye(4)), tmp_path / "w.nii.gz")
    stored = np.asanyarray(nib.load(tmp_path / "w.nii.gz").dataobj)
    pullback = StoredPullBack(stored)
    assert np.shares_memory(pullback._rows, stored)
    expected = raw.reshape(-1, 3, order="F") - 1.0
    np.testing.assert_allclose(pullback.block(0, 24), expected, rtol=1e-6)
