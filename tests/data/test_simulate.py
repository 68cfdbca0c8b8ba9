"""Laws of the simulated tree: NSD's layout, and a planted truth that NSD's estimator recovers."""

import csv
import json
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import scipy.io

from nsdviewer import open_nsd
from nsdviewer.data.pictures.photographs import load_catalogue
from nsdviewer.data.simulate import (
    PRESETS,
    SIMULATED_FLAG,
    Kind,
    load_truth,
    simulate,
    truth_folder,
)
from nsdviewer.data.simulate.betas import encode_betas, estimate_ncsnr
from nsdviewer.data.simulate.meshes import load_meshes
from nsdviewer.errors import Cancelled, DataError, RequestError
from nsdviewer.jobs import SilentProgress

N_SESSIONS = PRESETS["mini"].n_sessions
N_TRIALS = 750 * N_SESSIONS
BETAS = "nsddata_betas/ppdata/subj01/func1pt8mm/betas_fithrf_GLMdenoise_RR"
FUNC = "nsddata/ppdata/subj01/func1pt8mm"
TRANSFORMS = "nsddata/ppdata/subj01/transforms"
COLLECTIONS = (
    "HCP_MMP1",
    "Kastner2015",
    "MTL",
    "corticalsulc",
    "floc-bodies",
    "floc-faces",
    "floc-places",
    "floc-words",
    "nsdgeneral",
    "prf-eccrois",
    "prf-visualrois",
    "streams",
    "thalamus",
)
VOLUME_ONLY = ("MTL", "thalamus")


class CheapEmbedding:
    """Colours and coarse layout of a picture, a text's letters: enough to plant something."""

    name = "cheap"
    dimension = 12

    def encode_images(self, images):
        rows = [
            np.asarray(im, float).reshape(5, 85, 5, 85, 3)[::3, :, ::3].mean((1, 3))
            for im in images
        ]
        flat = np.array(rows).reshape(len(images), -1)[:, :12] + 1
        return (flat / np.linalg.norm(flat, axis=1, keepdims=True)).astype(np.float32)

    def encode_texts(self, texts):
        rows = np.array([np.random.default_rng(list(t.encode())).normal(size=12) for t in texts])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def design(mini_root: Path) -> dict[str, np.ndarray]:
    mat = scipy.io.loadmat(mini_root / "nsddata/experiments/nsd/nsd_expdesign.mat")
    return {k: v.astype(np.int64) for k, v in mat.items() if not k.startswith("__")}


@pytest.fixture(scope="module")
def table(mini_root: Path) -> pd.DataFrame:
    return pd.read_csv(mini_root / "nsddata/experiments/nsd/nsd_stim_info_merged.csv", index_col=0)


def volume(root: Path, name: str) -> np.ndarray:
    return np.asanyarray(nib.load(root / f"{name}.nii.gz").dataobj)


def surface_transform(root: Path, name: str) -> np.ndarray:
    return np.squeeze(np.asanyarray(nib.load(root / TRANSFORMS / name).dataobj)).astype(float)


# --- design ------------------------------------------------------------------------------------


def test_design_has_nsd_s_size_and_invariants(design):
    assert design["masterordering"].shape == (1, 30000)
    assert design["subjectim"].shape == (8, 10000)
    shared = design["sharedix"][0]
    assert len(shared) == 1000 and shared[0] == 2951 and shared[-1] == 72949
    assert (np.diff(shared) > 0).all()
    assert (design["subjectim"][:, :1000] == shared).all()
    assert len(np.unique(design["subjectim"])) == 73000
    assert (np.bincount(design["masterordering"][0])[1:] == 3).all()
    pattern = design["stimpattern"]
    assert pattern.shape == (40, 12, 75)
    assert (pattern.sum(2) == [63, 62] * 6).all()


def test_trials_that_were_run_are_whole_triples(design):
    ids, counts = np.unique(design["masterordering"][0, :N_TRIALS], return_counts=True)
    assert len(ids) == N_TRIALS // 3 and (counts == 3).all()
    assert (ids <= 1000).sum() == sum(p.held_out for p in load_catalogue())


def test_lags_between_repetitions_are_short_and_long(design):
    order = design["masterordering"][0, :N_TRIALS]
    lags = np.concatenate([np.diff(np.flatnonzero(order == i)) for i in np.unique(order)])
    assert np.percentile(lags, 20) < 40 and np.percentile(lags, 80) > 200


def test_stimulus_table_agrees_with_design(design, table):
    assert len(table) == 73000 and (table.nsdId == table.index).all()
    assert table.shared1000.to_numpy()[design["sharedix"][0] - 1].all()
    assert table.cocoId.is_unique
    order = design["masterordering"][0]
    for subject in (1, 8):
        assert table[f"subject{subject}"].sum() == 10000
        for repetition in (0, 2):
            trial = table[f"subject{subject}_rep{repetition}"].to_numpy()
            own = np.flatnonzero(trial)
            shown = design["subjectim"][subject - 1, order[trial[own] - 1] - 1]
            assert (shown == own + 1).all()


def test_crop_boxes_are_text_tuples_of_squares(mini_root, table):
    flag = json.loads((mini_root / SIMULATED_FLAG).read_text())
    sizes = {r["file"]: (int(r["width"]), int(r["height"])) for r in photograph_rows()}
    for nsd_id, photograph in list(flag["photographs"].items())[::25]:
        top, bottom, left, right = (float(x) for x in table.cropBox[int(nsd_id)][1:-1].split(","))
        width, height = sizes[photograph["file"]]
        assert width * (1 - left - right) == pytest.approx(height * (1 - top - bottom), abs=0.01)


def photograph_rows() -> list[dict[str, str]]:
    with (load_catalogue()[0].path.parent / "photos.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_responses_agree_with_design(mini_root, design):
    table = pd.read_csv(mini_root / "nsddata/ppdata/subj01/behav/responses.tsv", sep="\t")
    assert table.shape == (N_TRIALS, 19)
    assert (table["10KID"] == design["masterordering"][0, :N_TRIALS]).all()
    assert (table["73KID"] == design["subjectim"][0, table["10KID"] - 1]).all()
    assert (table.duplicated("10KID") == table.ISOLD).all()
    assert (
        table.groupby(["SESSION", "RUN"]).TRIAL.max().to_numpy() == [63, 62] * 6 * N_SESSIONS
    ).all()
    assert table.TIME.is_monotonic_increasing
    assert (table.BUTTON.isna() == table.RT.isna()).all()
    assert table.ISCORRECT.mean() > 0.6
    consecutive = table["10KID"].diff() == 0
    assert (table.MEMORYRECENT[consecutive] == 0).all()


# --- pictures ----------------------------------------------------------------------------------


def test_no_held_out_photograph_among_training_images(mini_root, table):
    flag = json.loads((mini_root / SIMULATED_FLAG).read_text())
    held_out = {p.path.name for p in load_catalogue() if p.held_out}
    shared = table.shared1000.to_numpy()
    assert len(flag["photographs"]) == N_TRIALS // 3
    for nsd_id, photograph in flag["photographs"].items():
        assert (photograph["file"] in held_out) == shared[int(nsd_id)] == photograph["held_out"]


def test_every_shown_image_is_a_picture_and_no_other(mini_root, design):
    shown = np.unique(design["subjectim"][0, design["masterordering"][0, :N_TRIALS] - 1]) - 1
    with h5py.File(mini_root / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5") as file:
        brick = file["imgBrick"]
        assert brick.shape == (73000, 425, 425, 3) and brick.dtype == np.uint8
        assert brick.id.get_num_chunks() == len(shown)
        assert all(brick[i].std() > 5 for i in shown[::40])


# --- volumes -----------------------------------------------------------------------------------


def test_nifti_headers_follow_nsd(mini_root):
    for path in sorted((mini_root / FUNC).rglob("*.nii.gz"))[::7]:
        header = nib.load(path).header
        raw = nib.Nifti1Header.from_fileobj(nib.openers.ImageOpener(path), check=False)
        assert header["sform_code"] == 1 and header["qform_code"] == 0
        assert header["xyzt_units"] == 0 and header["magic"] == b"n+1"
        assert raw["scl_slope"] == 0 and raw["scl_inter"] == 0
        assert header["pixdim"][4] == pytest.approx(4 / 3)
        image = nib.load(path)
        assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
        centre = image.affine @ [*(np.array(image.shape[:3]) - 1) / 2, 1]
        np.testing.assert_allclose(centre[:3], 0, atol=1e-4)


def test_rois_are_minus_one_zero_or_label(mini_root):
    names = {p.name for p in (mini_root / FUNC / "roi").iterdir()}
    assert names == {f"{h}{c}.nii.gz" for c in COLLECTIONS for h in ("", "lh.", "rh.")}
    ribbon = volume(mini_root, f"{FUNC}/roi/nsdgeneral") >= 0
    for collection in COLLECTIONS:
        both, lh, rh = (
            volume(mini_root, f"{FUNC}/roi/{h}{collection}") for h in ("", "lh.", "rh.")
        )
        if collection in VOLUME_ONLY:
            assert both.dtype == np.int16 and both.min() == 0
            assert not ((lh > 0) & (rh > 0)).any()
            continue
        assert both.dtype == np.float64 and both.min() == -1
        assert ((both >= 0) == ribbon).all()
        assert not ((lh >= 0) & (rh >= 0)).any()
        np.testing.assert_array_equal(both, np.where(lh >= 0, lh, rh))


def test_labels_have_names_and_one_hand_drawn_area_is_absent(mini_root):
    for collection in set(COLLECTIONS) - set(VOLUME_ONLY):
        path = mini_root / f"nsddata/freesurfer/subj01/label/{collection}.mgz.ctab"
        names = {int(t[0]): t[1] for t in map(str.split, path.read_text().splitlines())}
        assert names[0] == "Unknown" and sorted(names) == list(range(len(names)))
        assert volume(mini_root, f"{FUNC}/roi/{collection}").max() <= max(names)
    bodies = volume(mini_root, f"{FUNC}/roi/floc-bodies")
    assert (bodies == 1).any() and not (bodies == 4).any()
    text = (mini_root / "nsddata/freesurfer/subj01/label/floc-faces.mgz.ctab").read_text()
    assert any(line != line.rstrip() for line in text.splitlines())


def test_nsdgeneral_holds_the_early_areas(mini_root):
    general = volume(mini_root, f"{FUNC}/roi/nsdgeneral") > 0
    visual = volume(mini_root, f"{FUNC}/roi/prf-visualrois")
    assert set(np.unique(visual[visual > 0])) == set(range(1, 8))
    assert general[visual > 0].all()
    assert ((volume(mini_root, f"{FUNC}/roi/prf-eccrois") > 0) == (visual > 0)).all()


def test_each_hemisphere_sees_the_other_half_field(mini_root):
    angle = volume(mini_root, f"{FUNC}/prf_angle")
    for hemisphere, sign in (("lh", 1), ("rh", -1)):
        v1 = np.isin(volume(mini_root, f"{FUNC}/roi/{hemisphere}.prf-visualrois"), (1, 2))
        assert (sign * np.cos(np.deg2rad(angle[v1])) > -1e-6).all()
    for label, sign in ((1, 1), (2, -1)):  # V1v sees the upper field, V1d the lower
        area = volume(mini_root, f"{FUNC}/roi/prf-visualrois") == label
        assert (sign * np.sin(np.deg2rad(angle[area])) > -1e-6).all()


# --- surfaces and transforms -------------------------------------------------------------------


def test_icosphere_levels_nest():
    for order in (4, 5, 6):
        for mesh in load_meshes(order):
            n = 10 * 4**order + 2
            assert mesh.n_vertices == n and len(mesh.faces) == 2 * n - 4
            a, b, c = (mesh.sphere[mesh.faces[:, k]] for k in range(3))
            assert ((np.cross(b - a, c - a) * a).sum(1) > 0).all()  # closed, facing outwards


def test_surfaces_share_vertices_and_patch_is_a_subset(mini_root):
    folder = mini_root / "nsddata/freesurfer/subj01/surf"
    for h in ("lh", "rh"):
        points, faces = nib.freesurfer.read_geometry(folder / f"{h}.white")
        for name in ("pial", "inflated", "sphere", "sphere.reg", "layerB1", "layerB2", "layerB3"):
            other, other_faces = nib.freesurfer.read_geometry(folder / f"{h}.{name}")
            assert other.shape == points.shape and (other_faces == faces).all()
        assert len(nib.freesurfer.read_morph_data(folder / f"{h}.sulc")) == len(points)
        raw = (folder / f"{h}.full.flat.patch.3d").read_bytes()
        minus_one, n = np.frombuffer(raw[:8], ">i4")
        record = np.frombuffer(raw[8:], np.dtype([("index", ">i4"), ("xyz", ">f4", 3)]))
        assert minus_one == -1 and len(record) == n < len(points)
        assert (record["index"] < 0).any() and np.abs(record["index"]).max() <= len(points)


def test_vertex_orders_are_one_based_and_inverse(mini_root):
    for h in ("lh", "rh"):
        there = surface_transform(mini_root, f"{h}.fsaverage-to-white.mgz").astype(int)
        back = surface_transform(mini_root, f"{h}.white-to-fsaverage.mgz").astype(int)
        assert there.min() == 1 and there.max() == len(back)
        assert (back[there - 1] == np.arange(1, len(there) + 1)).all()
        assert (there != np.arange(1, len(there) + 1)).mean() > 0.9
        own = np.squeeze(
            nib.load(mini_root / f"nsddata/freesurfer/subj01/label/{h}.streams.mgz").dataobj
        )
        stock = np.squeeze(
            nib.load(mini_root / f"nsddata/freesurfer/fsaverage/label/{h}.streams.mgz").dataobj
        )
        assert (own == stock[there - 1]).all()


def test_surface_transforms_are_one_based_with_9999(mini_root):
    ribbon = volume(mini_root, f"{FUNC}/roi/nsdgeneral") >= 0
    for h in ("lh", "rh"):
        points = surface_transform(mini_root, f"{h}.func1pt8-to-layerB2.mgz")
        nowhere = (points == 9999).any(axis=1)
        assert 0 < nowhere.mean() < 0.2
        inside = points[~nowhere]
        assert (inside >= 1).all() and (inside <= ribbon.shape).all()
        index = tuple(np.rint(inside - 1).astype(int).T)
        assert ribbon[index].mean() > 0.99


def test_volume_transforms_are_one_based_and_undo_each_other(mini_root):
    to_anat = volume(mini_root, f"{TRANSFORMS}/func1pt8-to-anat0pt8")
    to_func = volume(mini_root, f"{TRANSFORMS}/anat0pt8-to-func1pt8")
    nowhere = (to_anat == 9999).any(axis=-1)
    assert nowhere.any() and to_anat[~nowhere].min() >= 1
    assert (to_anat[~nowhere] <= np.array(to_func.shape[:3])).all()
    target = np.argwhere(~nowhere)[::997]
    source = np.rint(to_anat[tuple(target.T)] - 1).astype(int)
    back = to_func[tuple(source.T)] - 1
    ratio = 6.6 / 4.0
    assert np.linalg.norm(back - target, axis=1).max() < np.sqrt(3) / 2 * ratio + 0.1


def test_affines_do_not_relate_the_spaces(mini_root):
    to_anat = volume(mini_root, f"{TRANSFORMS}/func1pt8-to-anat0pt8")
    anat = nib.load(mini_root / "nsddata/ppdata/subj01/anat/T1_0pt8_masked.nii.gz").affine
    func = nib.load(mini_root / f"{FUNC}/mean.nii.gz").affine
    middle = np.array([24, 24, 24])
    by_affine = (np.linalg.inv(func) @ anat @ [*middle, 1])[:3]
    at_edge = np.array([6, 24, 24])
    edge_by_affine = (np.linalg.inv(func) @ anat @ [*at_edge, 1])[:3]
    off = [
        np.linalg.norm(to_anat[tuple(p)] - 1 - q)
        for p, q in ((middle, by_affine), (at_edge, edge_by_affine))
    ]
    assert max(off) > 0.1


# --- betas -------------------------------------------------------------------------------------


def test_encoding_rounds_half_away_from_zero_and_saturates():
    psc = np.array([0.5 / 300, -0.5 / 300, 1.49 / 300, 200, -200], np.float32)
    assert encode_betas(psc).tolist() == [1, -1, 1, 32767, -32768]


def test_beta_files_have_nsd_s_shape_and_zeros(mini_root):
    mask = volume(mini_root, f"{FUNC}/brainmask") > 0
    saturated = 0
    for session in range(1, N_SESSIONS + 1):
        with h5py.File(mini_root / BETAS / f"betas_session{session:02d}.hdf5") as file:
            betas = file["betas"]
            assert list(file) == ["betas"] and betas.dtype == "<i2"
            assert betas.shape == (750, *mask.shape[::-1]) and betas.chunks == (750, 1, 1, 1)
            assert betas.compression is None and not betas.attrs
            nonzero = (betas[:].T != 0).any(axis=3)
            saturated += (np.abs(betas[:].astype(int)) >= 32767).sum()
        valid = volume(mini_root, f"{FUNC}/valid_session{session:02d}") > 0
        np.testing.assert_array_equal(nonzero, valid)
        assert not (valid & ~mask).any()
    assert saturated > 0


def test_one_session_has_invalid_voxels(mini_root):
    valid = volume(mini_root, f"{FUNC}/valid")[volume(mini_root, f"{FUNC}/brainmask") > 0]
    assert valid.max() == 1 and 0 < (valid < 1).mean() < 0.05


def read_z_scored(root: Path) -> np.ndarray:
    """(n_trials, n_voxels) of always-valid voxels of the brain mask, z-scored by session."""
    always = volume(root, f"{FUNC}/valid") == 1
    sessions = []
    for session in range(1, N_SESSIONS + 1):
        with h5py.File(root / BETAS / f"betas_session{session:02d}.hdf5") as file:
            x = file["betas"][:].T[always].T.astype(float)
        sessions.append((x - x.mean(0)) / x.std(0, ddof=1))
    return np.concatenate(sessions)


def test_ncsnr_follows_the_published_estimator_and_recovers_the_plan(mini_root, design):
    z = read_z_scored(mini_root)
    order = design["masterordering"][0, :N_TRIALS]
    per_image = [z[order == i].var(0, ddof=1) for i in np.unique(order)]
    always = volume(mini_root, f"{FUNC}/valid") == 1
    for name, images in (
        ("", per_image),
        ("_split1", per_image[::2]),
        ("_split2", per_image[1::2]),
    ):
        v2 = np.mean(images, axis=0)
        expected = np.sqrt(np.maximum(0, 1 - v2) / v2)
        stored = volume(mini_root, f"{BETAS}/ncsnr{name}")
        np.testing.assert_allclose(stored[always], expected, atol=2e-3)
    truth = load_truth(mini_root, 1)
    ncsnr = volume(mini_root, f"{BETAS}/ncsnr")
    measured = ncsnr[tuple(truth.ijk.T)]
    tuned = (truth.kind != Kind.NOTHING) & np.isfinite(measured)
    assert np.corrcoef(measured[tuned], truth.ncsnr[tuned])[0, 1] > 0.9
    general = volume(mini_root, f"{FUNC}/roi/nsdgeneral") > 0
    assert 0.33 < np.nanmedian(ncsnr[general]) < 0.41
    assert np.median(measured[truth.kind == Kind.NOTHING]) < 0.15
    assert np.isnan(ncsnr[volume(mini_root, f"{FUNC}/brainmask") == 0]).all()


def test_estimator_leaves_out_images_with_a_missing_repetition():
    z = np.random.default_rng(0).normal(size=(4, 3, 200)).astype(np.float32)
    z[1, 2, ::4] = np.nan
    z[2] = np.nan
    whole = estimate_ncsnr(z)[0]
    assert np.isfinite(whole[1]) and np.isnan(whole[2])
    only = np.ones(200, bool)
    only[::4] = False
    assert whole[1] == pytest.approx(estimate_ncsnr(z[1:2][:, :, only])[0, 0], abs=1e-5)


# --- tuning and truth --------------------------------------------------------------------------


def test_truth_lies_beside_the_tree_and_never_in_it(mini_root):
    assert truth_folder(mini_root).parent == mini_root.parent
    assert not list(mini_root.rglob("*truth*"))
    # The loaders' own cache of picture embeddings may lie in the tree; planted arrays may not.
    for path in mini_root.rglob("*.npz"):
        assert not {"weights", "kind", "ncsnr"} & set(np.load(path).files)
    truth = load_truth(mini_root, 1)
    mask = volume(mini_root, f"{FUNC}/brainmask") > 0
    assert len(truth.ijk) == mask.sum() and mask[tuple(truth.ijk.T)].all()
    direction = np.random.default_rng(0).normal(size=truth.weights.shape[1])
    planted = truth.concept_map(direction)
    assert planted.shape == (len(truth.ijk),)
    assert (planted[truth.kind != Kind.EMBEDDING] == 0).all()
    np.testing.assert_allclose(truth.concept_map(2 * direction), 2 * planted, rtol=1e-4)
    with pytest.raises(DataError, match="subject 5"):
        load_truth(mini_root, 5)


def test_flag_says_simulated(mini_root):
    flag = json.loads((mini_root / SIMULATED_FLAG).read_text())
    assert flag["simulated"] is True and flag["preset"] == "mini" and flag["n_subjects"] == 1
    assert {"file", "category", "label", "held_out"} == set(
        next(iter(flag["photographs"].values()))
    )


# --- running it --------------------------------------------------------------------------------


def simulate_one_session(out: Path, seed: int = 3) -> Path:
    return simulate(out, "mini", 1, seed, CheapEmbedding(), SilentProgress(), n_sessions=1)


def test_same_seed_same_betas(tmp_path):
    first, second = (simulate_one_session(tmp_path / name) for name in "ab")
    other = simulate_one_session(tmp_path / "c", seed=4)
    name = f"{BETAS}/betas_session01.hdf5"
    assert (first / name).read_bytes() == (second / name).read_bytes()
    assert (first / name).read_bytes() != (other / name).read_bytes()


def test_refuses_a_folder_that_holds_something(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with pytest.raises(DataError, match="already holds"):
        simulate_one_session(tmp_path / "out")
    assert [p.name for p in tmp_path.rglob("*")] == ["out", "mine.txt"]


@pytest.mark.parametrize(
    ("preset", "n_subjects", "n_sessions"), [("huge", 1, 1), ("mini", 9, 1), ("mini", 1, 41)]
)
def test_refuses_what_cannot_be(tmp_path, preset, n_subjects, n_sessions):
    with pytest.raises(RequestError):
        simulate(
            tmp_path / "o", preset, n_subjects, 1, CheapEmbedding(), SilentProgress(), n_sessions
        )


def test_cancelling_leaves_nothing(tmp_path):
    class Impatient:
        def report(self, fraction: float, message: str = "") -> None:
            if fraction > 0.6:
                raise Cancelled(message)

    with pytest.raises(Cancelled):
        simulate(tmp_path / "out", "mini", 1, 1, CheapEmbedding(), Impatient(), n_sessions=1)
    assert not list(tmp_path.iterdir())


# --- time series -------------------------------------------------------------------------------


def test_time_series_lie_where_the_reader_looks(mini_root, design):
    subject = open_nsd(mini_root).subject(1)
    assert [run.nsd_run for run in subject.runs()] == [1, 2]
    run = subject.run(session=1, nsd_run=2)
    assert run.n_volumes == 226
    order = design["masterordering"][0, 63:125] - 1
    np.testing.assert_array_equal(run.trials.nsd_ids, design["subjectim"][0, order] - 1)
    mask = subject.brain_mask()
    series = run.volume(100)
    assert (series[mask] > 0).all() and (series[~mask] == 0).all()
