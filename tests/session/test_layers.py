"""Layers of a subject: each source gives its own numbers, and whatever is missing is said."""

import shutil
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from nsdviewer.errors import CheckpointError, DataError, RequestError
from nsdviewer.rendering.scene import Scene
from nsdviewer.session import open_workspace
from nsdviewer.session.layers import (
    AGREEMENT,
    ENCODER_R,
    MEASURED,
    NOISE_CEILING,
    PREDICTED,
    available_layers,
    layer_map,
    layer_maps,
)
from nsdviewer.session.round_trip import round_trip
from nsdviewer.session.scenes import map_of, reconstruction_of, scene_of
from nsdviewer.session.vertex_maps import volume_to_vertices
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import (
    CONCEPT,
    UNFOLDED,
    Hemisphere,
    LayerChoice,
    Patch,
    Thresholding,
    Underlay,
    ViewState,
)
from tests.conftest import Subject


def showing(state: ViewState, *sources: str) -> ViewState:
    return state.replace(layers=tuple(LayerChoice(source) for source in sources))


def test_every_layer_on_offer_can_be_shown(mini: Subject) -> None:
    w = mini.workspace
    offered = available_layers(w)
    assert {s for s, _ in offered} >= {
        CONCEPT,
        NOISE_CEILING,
        ENCODER_R,
        "map:prf_angle",
        "map:sulc",
    }
    sources = [s for s, _ in offered if s not in (CONCEPT, MEASURED, PREDICTED, AGREEMENT)]
    for found in layer_maps(w, showing(mini.state, *sources)):
        assert found.title and not found.note, (found.source, found.note)
        assert found.volume is None or found.volume.shape == w.grid
        for mesh in w.hemispheres:
            if mesh.hemisphere in found.vertices:
                assert found.vertices[mesh.hemisphere].shape == (mesh.n_vertices,)


def test_the_same_layer_is_not_made_twice(mini: Subject) -> None:
    state = showing(mini.state, NOISE_CEILING, "map:prf_size", MEASURED).replace(trials=(3,))
    first, second = (layer_maps(mini.workspace, state) for _ in range(2))
    assert all(a is b for a, b in zip(first, second, strict=True))
    other = layer_maps(mini.workspace, state.replace(trials=(4,)))
    assert [a is b for a, b in zip(first, other, strict=True)] == [True, True, False]


def test_reliability_is_the_encoders_own(mini: Subject) -> None:
    w = mini.workspace
    encoder = w.encoder()
    for source, values in (
        (NOISE_CEILING, encoder.noise_ceiling * 100),
        (ENCODER_R, encoder.test_r),
    ):
        found = layer_map(w, mini.state, source)
        np.testing.assert_allclose(found.volume[tuple(encoder.sites.ijk.T)], values)
        assert np.isfinite(found.volume).sum() == np.isfinite(values).sum()
    assert not layer_map(w, mini.state, NOISE_CEILING).signed
    assert layer_map(w, mini.state, ENCODER_R).signed


def test_kinds_of_quantity_are_told_apart(mini: Subject) -> None:
    kinds = {"map:prf_angle": (False, 360.0), "map:prf_R2": (False, 0.0), "map:sulc": (True, 0.0)}
    kinds |= {"map:prf_eccentricity": (False, 0.0), "map:b3/ncsnr": (False, 0.0)}
    for source, (signed, period) in kinds.items():
        found = layer_map(mini.workspace, mini.state, source)
        assert (found.signed, found.period) == (signed, period), source
    assert layer_map(mini.workspace, mini.state, "map:prf_angle").test.startswith("pRF R²")


def test_a_vertex_sees_the_mean_of_directions_not_of_degrees(mini: Subject) -> None:
    rng = np.random.default_rng(0)
    turn = np.mod(rng.normal(0, 5, mini.workspace.grid), 360).astype(np.float32)
    for values in volume_to_vertices(mini.workspace, turn, 360.0).values():
        seen = values[np.isfinite(values)]
        assert len(seen) and np.minimum(seen, 360 - seen).max() < 20
    flat = volume_to_vertices(mini.workspace, turn)
    assert any(np.nanmax(np.minimum(v, 360 - v)) > 60 for v in flat.values())


def test_the_concept_is_spread_like_any_volume(mini: Subject) -> None:
    """The restricted operator gives what the whole volume's gives, NaN where too little is shown."""
    w = mini.workspace
    shown = map_of(w, mini.state)
    found = layer_map(w, mini.state, CONCEPT, shown_map=shown)
    np.testing.assert_array_equal(found.volume, shown.volume())
    slow = volume_to_vertices(w, found.volume)
    for hemisphere, values in found.vertices.items():
        np.testing.assert_allclose(values, slow[hemisphere], atol=1e-4)


def test_a_test_is_told_from_the_values(mini: Subject) -> None:
    state = mini.state.replace(statistic="p:0.05", null=mini.state.null)
    shown = map_of(mini.workspace, state)
    found = layer_map(mini.workspace, state, CONCEPT, shown_map=shown)
    assert found.test == "p ≤ .05"
    at = tuple(shown.ijk.T)
    np.testing.assert_array_equal(found.passes_volume[at], shown.shown)
    np.testing.assert_array_equal(np.isfinite(found.volume[at]), shown.reliable)
    assert 0 < shown.shown.sum() < shown.reliable.sum()
    faded = scene_of(mini.workspace, state)
    assert faded.colour_bars[0].said == "p ≤ .05 outlined"
    assert any(len(h.borders) for h in faded.hemispheres)
    hard = replace(state.layers[0], thresholding=Thresholding.HARD)
    hidden = scene_of(mini.workspace, state.replace(layers=(hard,)))
    assert hidden.colour_bars[0].said == "p ≤ .05 only"
    assert not any(len(h.borders) for h in hidden.hemispheres)


def test_layers_of_the_round_trip_are_those_of_the_round_trip(mini: Subject) -> None:
    w = mini.workspace
    state = showing(mini.state, MEASURED, PREDICTED, AGREEMENT)
    trip = round_trip(w, state, reconstruction_of(w, state))
    at = tuple(trip.sites.ijk.T)
    for source in (MEASURED, PREDICTED, AGREEMENT):
        found = layer_map(w, state, source, trip)
        np.testing.assert_allclose(found.volume[at], getattr(trip, source))
    alone = layer_map(w, state, MEASURED)
    np.testing.assert_allclose(alone.volume[at], trip.measured)
    with pytest.raises(RequestError, match="round trip"):
        layer_map(w, state, PREDICTED)
    assert [bar.source for bar in scene_of(w, state).colour_bars] == [
        AGREEMENT,
        PREDICTED,
        MEASURED,
    ]


def test_files_of_a_person_are_read_by_their_shape(mini: Subject, tmp_path: Path) -> None:
    w, rng = mini.workspace, np.random.default_rng(3)
    volume = rng.normal(0, 1, w.grid).astype(np.float32)
    volume[0, 0, 0] = np.inf
    nib.save(nib.Nifti1Image(volume[..., None], np.eye(4)), tmp_path / "v.nii.gz")
    found = layer_map(w, mini.state, f"file:{tmp_path / 'v.nii.gz'}")
    assert np.isnan(found.volume[0, 0, 0])
    np.testing.assert_array_equal(found.volume[1:], volume[1:])
    counts = {m.hemisphere: m.n_vertices for m in w.hemispheres}
    sides = {h: rng.random(n).astype(np.float32) for h, n in counts.items()}
    left, right = sides[Hemisphere.LEFT], sides[Hemisphere.RIGHT]
    for name, values in (
        ("both.mgz", np.concatenate([left, right])),
        ("lh.x.mgz", left),
        ("rh.x.mgz", right),
    ):
        nib.save(nib.MGHImage(values[:, None, None], np.eye(4)), tmp_path / name)
    array = nib.gifti.GiftiDataArray(right, datatype="NIFTI_TYPE_FLOAT32")
    nib.save(nib.GiftiImage(darrays=[array]), tmp_path / "sub-1_hemi-R_x.func.gii")
    only_right = {Hemisphere.RIGHT: right}
    for name, shown in (
        ("both.mgz", sides), ("lh.x.mgz", sides), ("sub-1_hemi-R_x.func.gii", only_right),
    ):  # fmt: skip
        found = layer_map(w, mini.state, f"file:{tmp_path / name}")
        assert set(found.vertices) == set(shown) and found.volume is None and not found.signed
        for hemisphere, values in shown.items():
            np.testing.assert_array_equal(found.vertices[hemisphere], values)


def test_maps_of_another_shape_or_space_are_refused_in_words(mini: Subject, tmp_path: Path) -> None:
    w = mini.workspace
    x, y, z = w.grid
    n = w.hemispheres[0].n_vertices
    images = {
        "other.nii": (np.zeros((x + 1, y, z), np.float32), f"{x + 1} × {y} × {z}.*{x} × {y} × {z}"),
        "runs.nii": (np.zeros((x, y, z, 2), np.float32), "one value a voxel"),
        "fs.mgz": (np.zeros((163842, 1, 1), np.float32), "163,842 values .as many as fsaverage"),
        "which.mgz": (np.zeros((n, 1, 1), np.float32), "begin its name with 'lh.'"),
    }
    for name, (values, words) in images.items():
        kind = nib.MGHImage if name.endswith("mgz") else nib.Nifti1Image
        nib.save(kind(values, np.eye(4)), tmp_path / name)
        with pytest.raises(RequestError, match=words):
            layer_map(w, mini.state, f"file:{tmp_path / name}")
    (tmp_path / "broken.nii").write_bytes(b"no image")
    for name in ("broken.nii", "gone.nii"):
        with pytest.raises(DataError):
            layer_map(w, mini.state, f"file:{tmp_path / name}")
    with pytest.raises(RequestError, match="noise-ceiling"):
        layer_map(w, mini.state, "noise-cieling")
    wanted = showing(mini.state, *(f"file:{tmp_path / name}" for name in images), CONCEPT)
    scene = scene_of(w, wanted)
    assert len(scene.notices) == len(images) and len(scene.colour_bars) == 1


def test_an_empty_map_is_said_to_be_empty(mini: Subject, tmp_path: Path) -> None:
    path = tmp_path / "nothing.nii"
    nib.save(nib.Nifti1Image(np.full(mini.workspace.grid, np.nan, np.float32), np.eye(4)), path)
    scene = scene_of(mini.workspace, showing(mini.state, f"file:{path}"))
    assert scene.colour_bars == ()
    assert [n for n in scene.notices if "holds no value" in n]
    nothing = scene_of(mini.workspace, mini.state.replace(noise_ceiling_floor_pct=99.9))
    assert nothing.colour_bars == () and any("holds no value" in n for n in nothing.notices)


# --- subjects with parts missing ------------------------------------------------------------------


def without(mini: Subject, folder: Path, *patterns: str) -> tuple[Workspace, ViewState]:
    """Return the subject without the files that fit any of some patterns."""
    root = folder / "root"
    shutil.copytree(mini.root, root, copy_function=lambda a, b: Path(b).symlink_to(a))
    for pattern in patterns:
        found = list(root.glob(f"nsddata/{pattern}"))
        assert found, pattern
        for path in found:
            path.unlink()
    state = mini.state.replace(root=str(root))
    return open_workspace(state), state


def notice(scene: Scene, *words: str) -> bool:
    return any(all(word in said for word in words) for said in scene.notices)


def test_one_hemisphere_alone_is_drawn(mini: Subject, tmp_path: Path) -> None:
    w, state = without(mini, tmp_path, "freesurfer/subj01/surf/rh.pial")
    scene = scene_of(w, showing(state, "map:sulc", NOISE_CEILING, CONCEPT))
    assert [h.hemisphere for h in scene.hemispheres] == [Hemisphere.LEFT]
    assert len(scene.slices) == 3 and len(scene.colour_bars) == 3
    assert notice(scene, "right hemisphere is not drawn", "rh.pial")


def test_without_surfaces_slices_and_pictures_still_show(mini: Subject, tmp_path: Path) -> None:
    w, state = without(mini, tmp_path, "freesurfer/subj01/surf/?h.*")
    scene = scene_of(w, state)
    whole = scene_of(mini.workspace, mini.state)
    assert scene.hemispheres == () and scene.camera == () and scene.seen is not None
    for a, b in zip(scene.slices, whole.slices, strict=True):
        np.testing.assert_array_equal(a.rgb, b.rgb)
    assert notice(scene, "The cortex is not drawn", "pial")


def test_without_transforms_the_cortex_is_bare(mini: Subject, tmp_path: Path) -> None:
    w, state = without(mini, tmp_path, "ppdata/subj01/transforms/lh.*-to-*")
    scene = scene_of(w, state)
    left, right = scene.hemispheres
    assert (np.ptp(left.rgb.astype(int), axis=1) == 0).all()
    assert (np.ptp(right.rgb.astype(int), axis=1) > 0).any()
    assert notice(scene, "left hemisphere", "transform")


def test_without_regions_flat_patch_or_epi_the_rest_is_drawn(mini: Subject, tmp_path: Path) -> None:
    w, state = without(
        mini, tmp_path, "freesurfer/subj01/label/*", "ppdata/subj01/func1pt8mm/roi/*faces*",
        "freesurfer/subj01/surf/?h.full.flat.patch.3d", "ppdata/subj01/func1pt8mm/mean.nii.gz",
    )  # fmt: skip
    far = Patch("mine", Hemisphere.LEFT, (1, 99_999))
    scene = scene_of(w, state.replace(morph=UNFOLDED, underlay=Underlay.EPI, patches=(far,)))
    assert len(scene.hemispheres) == 2 and not any(len(h.outlines) for h in scene.hemispheres)
    assert notice(scene, "floc-faces", "not drawn")
    assert notice(scene, "flat patch", "left") and notice(scene, "mean EPI", "anatomy")
    assert notice(scene, "'mine'", "99,999")
    assert len(scene.notices) == len(set(scene.notices))


def test_without_an_encoder_the_ceiling_is_nsds_own(mini: Subject, tmp_path: Path) -> None:
    w, state = without(mini, tmp_path)
    w.model_path("encoder").unlink()
    offered = {s for s, _ in available_layers(w)}
    assert NOISE_CEILING in offered and not offered & {ENCODER_R, MEASURED, PREDICTED}
    found = layer_map(w, state, NOISE_CEILING)
    own = layer_map(mini.workspace, mini.state, "map:b3/ncsnr").volume
    expected = 100 * own**2 / (own**2 + 1 / 3)
    np.testing.assert_allclose(found.volume, expected, rtol=1e-4, equal_nan=True)
    with pytest.raises(CheckpointError, match="fit encoder"):
        layer_map(w, state, ENCODER_R)
