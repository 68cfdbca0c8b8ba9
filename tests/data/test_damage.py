"""What is damaged is refused by name or left out with a warning, and never read wrongly.

A tree of every kind of file is damaged one file at a time; the truth is what the whole files say,
which other tests compare with what was written.
"""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from nsdviewer import open_nsd
from nsdviewer.cli.main import main
from nsdviewer.data.information import read_n_noise_components
from nsdviewer.data.inventory import inventory
from nsdviewer.data.layout import NsdRoot
from nsdviewer.data.nsd import Subject
from nsdviewer.data.pictures.coco import read_coco
from nsdviewer.data.regions.maps import read_map
from nsdviewer.data.regions.roi_collections import load_collection
from nsdviewer.data.runs.hrf import read_hrf_index, read_hrf_library
from nsdviewer.data.runs.traces import open_run
from nsdviewer.data.spaces.places import Place
from nsdviewer.data.spaces.routes import route
from nsdviewer.errors import DataError, DataWarning, NsdViewerError
from nsdviewer.state import BetaVersion, Hemisphere, Space
from tests.nsd_tree import B2, B3, TinyTree, build_tree
from tests.nsd_tree.betas import write_betas_mat, write_betas_nifti
from tests.nsd_tree.formats import write_mgh, write_nifti
from tests.nsd_tree.surfaces import FLAT_PATCH

B1 = "betas_assumehrf"
FUNC = Space.FUNC1PT8MM
# Session 21 comes with pulse and respiration.
RUN_SESSION = 21
REMEDIES = (
    "download",
    "choose",
    "name",
    "delete",
    "free",
    "set ",
    "check",
    "fit",
    "copy",
    "reorder",
)
REPOSITORY = Path(__file__).parents[2]

Reader = Callable[[TinyTree], Any]


@dataclasses.dataclass(frozen=True)
class Case:
    """One kind of file.

    Attributes
    ----------
    path
        Below the root.
    read
        What is read of it, as arrays by name.
    n_examples
        How often it is damaged at random; less where reading takes long.
    """

    path: str
    read: Callable[[Subject], dict[str, Any]]
    n_examples: int = 8


# --- what is read ------------------------------------------------------------------------------


def _betas(roi: str, space: Space, version: BetaVersion) -> Callable[[Subject], dict[str, Any]]:
    return lambda subject: {
        "psc": subject.betas(roi, space, version).psc(np.arange(750)),
    }


def _masks(space: Space, roi: str) -> Callable[[Subject], dict[str, Any]]:
    def read(subject: Subject) -> dict[str, Any]:
        found = subject.mask(roi, space)
        return (
            {"mask": found}
            if isinstance(found, np.ndarray)
            else {h.value: m for h, m in found.items()}
        )

    return read


def _names(subject: Subject) -> dict[str, Any]:
    found = load_collection(subject.files, FUNC, "floc-bodies").names
    return {str(number): np.array(name) for number, name in found.items()}


def _moved(source: str, target: str) -> Callable[[Subject], dict[str, Any]]:
    def read(subject: Subject) -> dict[str, Any]:
        way = route(subject.files, Place.parse(source), Place.parse(target))
        n = 7 * 9 * 8 if source == "func1pt8" else 133
        given = np.arange(n, dtype=float)
        given = given.reshape(7, 9, 8) if source == "func1pt8" else given
        return {"moved": way.apply(given)}

    return read


def _surface(shape: str) -> Callable[[Subject], dict[str, Any]]:
    def read(subject: Subject) -> dict[str, Any]:
        found = subject.surface(Hemisphere.LEFT, shape)
        return {"vertices": found.vertices_mm, "faces": found.faces}

    return read


def _frame(with_pictures: bool) -> Callable[[Subject], dict[str, Any]]:
    def read(subject: Subject) -> dict[str, Any]:
        frame = subject.trials(with_pictures=with_pictures).frame
        return {name: frame[name].to_numpy() for name in frame}

    return read


def _pictures(subject: Subject) -> dict[str, Any]:
    ids = subject.trials().column("nsd_id")[:4]
    return {"pictures": open_nsd(subject.files.root.path).stimuli.read(ids)}


def _run(what: str) -> Callable[[Subject], dict[str, Any]]:
    def read(subject: Subject) -> dict[str, Any]:
        run = open_run(subject.files, FUNC, RUN_SESSION, nsd_run=1)
        if what == "volumes":
            return {"course": run.voxel((3, 4, 3)), "volume": run.volume(5)}
        if what == "design":
            return {"design": run.design.values}
        if what == "motion":
            return {"motion": run.motion}
        trace = run.physiology.pulse
        assert trace is not None
        return {"pulse": trace.values}

    return read


def _coco(subject: Subject) -> dict[str, Any]:
    ids = subject.trials().column("nsd_id")[:20]
    found = read_coco(subject.files.root, ids, subject.files.root.path / "coco")
    return {
        str(i): np.array([*p.captions, *map(str, (o.box_px for o in p.objects))])
        for i, p in found.items()
    }


BETAS = "nsddata_betas/ppdata/subj01"
PPDATA = "nsddata/ppdata/subj01"
LABELS = "nsddata/freesurfer/subj01/label"
RUNS = "nsddata_timeseries/ppdata/subj01"
STEM = f"session{RUN_SESSION}_run02"
CASES = {
    "betas hdf5": Case(
        f"{BETAS}/func1pt8mm/{B3}/betas_session01.hdf5", _betas("brainmask", FUNC, BetaVersion.B3)
    ),
    "betas nii.gz": Case(
        f"{BETAS}/func1pt8mm/{B2}/betas_session01.nii.gz", _betas("brainmask", FUNC, BetaVersion.B2)
    ),
    "betas mat": Case(
        f"{BETAS}/func1pt8mm/{B1}/betas_session01.mat", _betas("brainmask", FUNC, BetaVersion.B1)
    ),
    "betas MNI": Case(
        f"{BETAS}/MNI/{B2}/betas_session01.nii.gz", _betas("all", Space.MNI, BetaVersion.B2), 4
    ),
    "betas mgh": Case(
        f"{BETAS}/fsaverage/{B3}/rh.betas_session01.mgh",
        _betas("all", Space.FSAVERAGE, BetaVersion.B3),
    ),
    "betas native": Case(
        f"{BETAS}/nativesurface/{B3}/lh.betas_session01.hdf5",
        _betas("all", Space.NATIVESURFACE, BetaVersion.B3),
    ),
    "brainmask": Case(f"{PPDATA}/func1pt8mm/brainmask.nii.gz", lambda s: {"m": s.brain_mask()}),
    "valid": Case(
        f"{PPDATA}/func1pt8mm/valid_session01.nii.gz", _betas("brainmask", FUNC, BetaVersion.B3)
    ),
    "ROI": Case(
        f"{PPDATA}/func1pt8mm/roi/prf-visualrois.nii.gz", _masks(FUNC, "prf-visualrois:V1v")
    ),
    "ROI of a side": Case(
        f"{PPDATA}/func1pt8mm/roi/lh.streams.nii.gz", _masks(FUNC, "lh.streams:early")
    ),
    "ctab": Case(f"{LABELS}/floc-bodies.mgz.ctab", _names),
    "ncsnr": Case(
        f"{BETAS}/func1pt8mm/{B3}/ncsnr.nii.gz", lambda s: {"ncsnr": s.ncsnr("brainmask")}
    ),
    "ncsnr mgh": Case(
        f"{BETAS}/fsaverage/{B3}/lh.ncsnr.mgh",
        lambda s: {"ncsnr": s.ncsnr("all", Space.FSAVERAGE)},
    ),
    "map": Case(
        f"{PPDATA}/func1pt8mm/prf_eccentricity.nii.gz",
        lambda s: {"map": s.map("prf_eccentricity").values},
    ),
    "labels": Case(f"{LABELS}/lh.nsdgeneral.mgz", _masks(Space.NATIVESURFACE, "nsdgeneral")),
    "labels of fsaverage": Case(
        "nsddata/freesurfer/fsaverage/label/rh.streams.mgz",
        _masks(Space.FSAVERAGE, "streams:early"),
    ),
    "warp": Case(
        f"{PPDATA}/transforms/func1pt8-to-anat0pt8.nii.gz", _moved("func1pt8", "anat0pt8")
    ),
    "surface warp": Case(
        f"{PPDATA}/transforms/lh.func1pt8-to-pial.mgz", _moved("func1pt8", "lh.pial")
    ),
    "vertex table": Case(
        f"{PPDATA}/transforms/lh.white-to-fsaverage.mgz", _moved("lh.white", "lh.fsaverage")
    ),
    "mesh": Case("nsddata/freesurfer/subj01/surf/lh.inflated", _surface("inflated")),
    "reference mesh": Case("nsddata/freesurfer/subj01/surf/lh.white", _surface("white")),
    "curv": Case(
        "nsddata/freesurfer/subj01/surf/lh.curv",
        lambda s: {"c": read_map(s.files, Space.NATIVESURFACE, "curv", Hemisphere.LEFT).values},
    ),
    "patch": Case(f"nsddata/freesurfer/subj01/surf/lh.{FLAT_PATCH}", _surface(FLAT_PATCH)),
    "design": Case("nsddata/experiments/nsd/nsd_expdesign.mat", _frame(False)),
    "pictures": Case("nsddata/experiments/nsd/nsd_stim_info_merged.csv", _frame(True), 3),
    "responses": Case(f"{PPDATA}/behav/responses.tsv", _frame(False), 6),
    "stimuli": Case("nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5", _pictures),
    "time series": Case(
        f"{RUNS}/func1pt8mm/timeseries/timeseries_{STEM}.nii.gz", _run("volumes"), 6
    ),
    "run design": Case(f"{RUNS}/func1pt8mm/design/design_{STEM}.tsv", _run("design")),
    "motion": Case(f"{RUNS}/func1pt8mm/motion/motion_{STEM}.tsv", _run("motion")),
    "pulse": Case(f"{RUNS}/physio/physio_{STEM}_puls.tsv", _run("pulse")),
    "COCO": Case("coco/instances_train2017.json", _coco),
    "captions": Case("coco/captions_train2017.json", _coco),
    "HRF library": Case(
        "nsddata/templates/hrfs_func1pt8mm.mat",
        lambda s: {"hrfs": read_hrf_library(s.files.root, FUNC).curves},
    ),
    "HRF index": Case(
        f"{BETAS}/func1pt8mm/{B3}/HRFindex_session01.nii.gz",
        lambda s: {"index": read_hrf_index(s.files, FUNC, BetaVersion.B3, 1)},
    ),
    "noise components": Case(
        "nsddata/information/b3pcnum_func1pt8mm.tsv",
        lambda s: {"n": read_n_noise_components(s.files.root, FUNC)},
    ),
}
GZIPPED = [name for name, case in CASES.items() if case.path.endswith((".gz", ".mgz"))]
TEXT = [name for name, case in CASES.items() if case.path.endswith((".tsv", ".csv", ".ctab"))]


# --- the tree and the law ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> TinyTree:
    """One file of each kind; a test that damages one puts it back."""
    tree = build_tree(
        tmp_path_factory.mktemp("damage") / "nsd",
        sessions=(1,),
        betas=(
            ("func1pt8mm", B3, "hdf5"),
            ("func1pt8mm", B2, "nii.gz"),
            ("func1pt8mm", B1, "mat"),
            ("MNI", B2, "nii.gz"),
            ("nativesurface", B3, "hdf5"),
            ("fsaverage", B3, "mgh"),
        ),
        timeseries=(("func1pt8mm", RUN_SESSION),),
    )
    write_coco(tree)
    return tree


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where what is derived goes; the whole module's."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NSDVIEWER_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def truth(tree: TinyTree, cache: Path) -> dict[str, dict[str, Any]]:
    """What the whole files say, by kind."""
    return {name: case.read(subject_of(tree)) for name, case in CASES.items()}


@pytest.fixture
def small(tmp_path: Path) -> TinyTree:
    """A tree for one test to ruin."""
    return build_tree(
        tmp_path / "nsd",
        sessions=(1,),
        stim_info=False,
        stimuli=False,
        surfaces=False,
        transforms=False,
    )


def write_coco(tree: TinyTree) -> None:
    ids = tree.subjects[1].trials["nsd_id"].to_numpy()[:20]
    coco_ids = [int(i) for i in tree.design.stimuli["cocoId"].to_numpy()[ids]]
    folder = tree.root / "coco"
    folder.mkdir()
    images = [{"id": i, "width": 640, "height": 480} for i in coco_ids]
    categories = [{"id": 1, "name": "cat", "supercategory": "animal"}]
    boxes = [
        {"image_id": i, "category_id": 1, "bbox": [100 + k, 90, 200, 210.5], "iscrowd": 0}
        for k, i in enumerate(coco_ids)
    ]
    captions = [{"image_id": i, "caption": f"A picture, number {i}"} for i in coco_ids]
    content = {"images": images, "categories": categories, "annotations": boxes}
    (folder / "instances_train2017.json").write_text(json.dumps(content))
    content = {"images": images, "annotations": captions}
    (folder / "captions_train2017.json").write_text(json.dumps(content))


def subject_of(tree: TinyTree) -> Subject:
    return open_nsd(tree.root).subject(1)


@contextmanager
def damaged(path: Path, content: bytes) -> Iterator[None]:
    """Put `content` into a file for a while."""
    whole, status = path.read_bytes(), path.stat()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(whole)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def require_right_or_told(
    path: Path, read: Callable[[], dict[str, Any]], expected: dict[str, Any] | None, cache: Path
) -> str:
    """Fail unless reading raises a sentence that helps, or gives what the whole file gave.

    Values may be missing (NaN, or not there at all) where a `DataWarning` names the file. Without
    `expected` no values are right. Returns the sentences.
    """
    shutil.rmtree(cache, ignore_errors=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = read()
        except NsdViewerError as error:
            sentence = str(error)
            assert path.name in sentence, f"{sentence!r} does not name {path.name}"
            assert any(word in sentence.lower() for word in REMEDIES), f"no remedy in {sentence!r}"
            assert "\n" not in sentence
            if path.name.startswith(("betas_", "lh.betas_", "rh.betas_", "valid_")):
                assert not list(cache.rglob("betas_*")), "a cache of damaged data"
            return sentence
        finally:
            left = [p.name for p in cache.rglob("*") if p.name.startswith(".writing-")]
            assert not left, f"left behind: {left}"
    told = [str(w.message) for w in caught if issubclass(w.category, DataWarning)]
    is_told = any(path.name in sentence for sentence in told)
    assert expected is not None, f"read as if nothing were: {found}"
    for name, right in expected.items():
        if name not in found:
            assert is_told, f"{name} is missing and nobody is told"
            continue
        compare(np.asarray(found[name]), np.asarray(right), name, is_told)
    return " ".join(told)


def compare(found: np.ndarray, right: np.ndarray, name: str, is_told: bool) -> None:
    if right.dtype.kind not in "fc":
        if found.shape == right.shape and (found == right).all():
            return
        # A column of whole numbers that now lacks some.
        assert found.dtype.kind == "f", f"{name} is {found}, not {right}"
    elif found.shape != right.shape:
        n = min(len(found), len(right))
        assert is_told, f"{name} has {found.shape} in place of {right.shape}"
        found, right = found[:n], right[:n]
    with np.errstate(invalid="ignore"):
        found, right = found.astype(float), right.astype(float)
    missing = np.isnan(found) & ~np.isnan(right)
    assert is_told or not missing.any(), f"{name} lacks {missing.sum()} values; nobody is told"
    np.testing.assert_array_equal(found[~missing], right[~missing], err_msg=f"{name} is wrong")


# --- broken off, and forgotten -----------------------------------------------------------------

PLACES = st.one_of(
    st.sampled_from([0.0, -1.0, -2.0, -9.0]), st.floats(0, 1, exclude_max=True, allow_nan=False)
)
FEW = settings(
    deadline=None,
    database=None,
    derandomize=True,
    report_multiple_bugs=False,
    phases=(Phase.explicit, Phase.generate),
)


def place_in(n_bytes: int, where: float) -> int:
    """A byte of a file: a fraction of it, or counted from the end."""
    return max(0, n_bytes + int(where)) if where < 0 else int(where * n_bytes)


@pytest.mark.parametrize("kind", list(CASES))
def test_a_file_that_breaks_off_anywhere_is_refused_or_told(tree, truth, cache, kind) -> None:
    case = CASES[kind]
    path = tree.root / case.path
    whole = path.read_bytes()

    @settings(FEW, max_examples=case.n_examples)
    @given(PLACES)
    def holds(where: float) -> None:
        with damaged(path, whole[: place_in(len(whole), where)]):
            require_right_or_told(path, lambda: case.read(subject_of(tree)), truth[kind], cache)

    holds()


@pytest.mark.parametrize("kind", list(CASES))
def test_an_empty_file_is_refused_or_told(tree, truth, cache, kind) -> None:
    case = CASES[kind]
    path = tree.root / case.path
    with damaged(path, b""):
        told = require_right_or_told(path, lambda: case.read(subject_of(tree)), truth[kind], cache)
    # The names of this set are published, and serve where the table says nothing.
    assert told or kind == "ctab"


@pytest.mark.parametrize("kind", GZIPPED)
def test_bytes_that_change_under_a_checksum_are_noticed(tree, truth, cache, kind) -> None:
    case = CASES[kind]
    path = tree.root / case.path
    whole = path.read_bytes()

    @settings(FEW, max_examples=case.n_examples)
    @given(PLACES, st.binary(min_size=1, max_size=8))
    def holds(where: float, noise: bytes) -> None:
        content = bytearray(whole)
        start = min(place_in(len(whole), where), len(whole) - len(noise))
        content[start : start + len(noise)] = noise
        with damaged(path, bytes(content)):
            require_right_or_told(path, lambda: case.read(subject_of(tree)), truth[kind], cache)

    holds()


@pytest.mark.parametrize("kind", list(CASES))
def test_another_files_content_is_refused(tree, truth, cache, kind) -> None:
    """A saved error page, and a picture: what browsers and proxies put in a file's place."""
    case = CASES[kind]
    path = tree.root / case.path
    for content in (b"<html><body>AccessDenied</body></html>\n", b"\x89PNG\r\n\x1a\n" + bytes(300)):
        with damaged(path, content):
            # Names are known without their table, and trials without behaviour and pictures.
            told = kind in ("ctab", "pictures", "responses")
            expected = truth[kind] if told else None
            require_right_or_told(path, lambda: case.read(subject_of(tree)), expected, cache)


def test_verify_names_all_that_broke_off_and_nothing_else(tree, cache, capsys) -> None:
    """And goes on after each."""
    assert main(["verify", str(tree.root)]) == 0
    assert "Damaged" not in capsys.readouterr().out
    broken = [case.path for kind, case in CASES.items() if kind not in (*TEXT, "COCO", "captions")]
    with ExitStack() as stack:
        for path in broken:
            content = (tree.root / path).read_bytes()
            stack.enter_context(damaged(tree.root / path, content[: len(content) // 2]))
        assert main(["verify", str(tree.root)]) == 1
        said = capsys.readouterr().out
        part = said[said.index("Damaged") :]
        missed = [path for path in broken if path not in part]
        assert not missed
        whole = f"{PPDATA}/func1pt8mm/mean.nii.gz"
        assert whole not in part


# --- whole files with the wrong content --------------------------------------------------------

VOLUMES = {
    "brainmask": np.int16, "valid": np.int16, "ROI": np.float64, "ROI of a side": np.float64,
    "ncsnr": np.float32, "map": np.float32, "warp": np.float32, "HRF index": np.int16,
    "time series": np.int16, "betas nii.gz": np.int16,
}  # fmt: skip


def content_of(tree: TinyTree, kind: str) -> np.ndarray:
    import nibabel as nib

    return np.asarray(nib.load(tree.root / CASES[kind].path).dataobj)


def packed(path: Path, array: np.ndarray, affine: np.ndarray) -> bytes:
    """The bytes of a volume file with other content."""
    aside = path.with_name(f"aside-{path.name}")
    write_nifti(aside, array, affine, tr_s=4 / 3)
    content = aside.read_bytes()
    aside.unlink()
    return content


@pytest.mark.parametrize("kind", list(VOLUMES))
@pytest.mark.parametrize("how", ["axes swapped", "an axis too few", "an axis too many", "cropped"])
def test_volumes_of_another_shape_are_refused(tree, truth, cache, kind, how) -> None:
    path = tree.root / CASES[kind].path
    array = content_of(tree, kind)
    array = {
        "axes swapped": lambda: np.swapaxes(array, 0, -1),
        "an axis too few": lambda: array[0],
        "an axis too many": lambda: np.stack([array, array], axis=-1),
        "cropped": lambda: array[:-1],
    }[how]()
    content = packed(
        path, np.asfortranarray(array), tree.subjects[1].geometry.affines["func1pt8mm"]
    )
    if kind == "brainmask" and how in ("axes swapped", "cropped"):
        # The brain mask is what others are compared with: one of them is named.
        shutil.rmtree(cache, ignore_errors=True)
        names = rf"({path.name}|valid_session01|betas_session01).*download"
        with damaged(path, content), pytest.raises(DataError, match=names):
            CASES["betas hdf5"].read(subject_of(tree))
        return
    with damaged(path, content):
        require_right_or_told(path, lambda: CASES[kind].read(subject_of(tree)), None, cache)


@pytest.mark.parametrize("kind", list(VOLUMES))
@pytest.mark.parametrize("dtype", ["complex64", "rgb", "wide"])
def test_volumes_of_another_type_are_refused_or_the_same(tree, truth, cache, kind, dtype) -> None:
    path = tree.root / CASES[kind].path
    array = content_of(tree, kind)
    if dtype == "rgb":
        array = np.zeros(array.shape, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    else:
        array = array.astype(np.complex64 if dtype == "complex64" else np.float64)
    affine = tree.subjects[1].geometry.affines["func1pt8mm"]
    with damaged(path, packed(path, array, affine)):
        expected = None if dtype == "rgb" else truth[kind]
        require_right_or_told(path, lambda: CASES[kind].read(subject_of(tree)), expected, cache)


@pytest.mark.parametrize("kind", [*VOLUMES, "labels", "surface warp", "vertex table", "ncsnr mgh"])
def test_nan_everywhere_is_no_number(tree, truth, cache, kind) -> None:
    """Refused, or NaN (and False) wherever it is read."""
    path = tree.root / CASES[kind].path
    array = content_of(tree, kind)
    if path.name.endswith(("mgh", "mgz")):
        aside = path.with_name(f"aside-{path.name}")
        write_mgh(aside, np.full(array.reshape(len(array), -1).squeeze().shape, np.nan))
        content = aside.read_bytes()
        aside.unlink()
    else:
        affine = tree.subjects[1].geometry.affines["func1pt8mm"]
        content = packed(path, np.full(array.shape, np.nan, np.float32), affine)
    with damaged(path, content):
        shutil.rmtree(cache, ignore_errors=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            try:
                found = CASES[kind].read(subject_of(tree))
            except NsdViewerError as error:
                assert path.name in str(error), error
                return
    for name, values in found.items():
        if name == "rh" and kind == "labels":
            continue
        if kind == "ncsnr mgh":
            values = values[: tree.fsaverage["lh"].n_vertices]
        # Nothing is anywhere.
        assert (np.isnan(values) if values.dtype.kind == "f" else values == 0).all(), name


def test_betas_that_are_nan_everywhere_have_no_data(tree, cache) -> None:
    path = tree.root / CASES["betas mgh"].path
    aside = path.with_name("aside.mgh")
    write_mgh(aside, np.full((tree.fsaverage["rh"].n_vertices, 750), np.nan))
    content = aside.read_bytes()
    aside.unlink()
    shutil.rmtree(cache, ignore_errors=True)
    with damaged(path, content):
        betas = subject_of(tree).betas("all", Space.FSAVERAGE)
        right = betas.sites.columns(Hemisphere.RIGHT)
        assert np.isnan(betas.psc(np.arange(750))[:, right]).all()
        assert not betas.valid[:, right].any()


SESSIONS = {
    "betas hdf5": None,
    "betas mat": lambda path, stored, affine: write_betas_mat(path, stored),
    "betas nii.gz": write_betas_nifti,
}


@pytest.mark.parametrize("kind", list(SESSIONS))
@pytest.mark.parametrize("how", ["float", "unsigned", "axes swapped", "other grid", "too few"])
def test_betas_that_are_no_session_are_refused(tree, truth, cache, kind, how) -> None:
    path = tree.root / CASES[kind].path
    version = path.parent.name
    stored = tree.subjects[1].betas["func1pt8mm", version, None].stored
    altered = {
        "float": stored.astype(np.float32),
        "unsigned": stored.astype(np.uint16),
        "axes swapped": np.ascontiguousarray(stored.transpose(0, 3, 2, 1)),
        "other grid": np.ascontiguousarray(stored[..., :-1]),
        "too few": stored[:-1],
    }[how]
    aside = path.with_name(f"aside-{path.name}")
    if kind == "betas hdf5":
        with h5py.File(aside, "w") as file:
            file.create_dataset(
                "betas", data=altered.transpose(0, 3, 2, 1), chunks=(len(altered), 1, 1, 1)
            )
    else:
        SESSIONS[kind](aside, altered, tree.subjects[1].geometry.affines["func1pt8mm"])
    content = aside.read_bytes()
    aside.unlink()
    with damaged(path, content):
        require_right_or_told(path, lambda: CASES[kind].read(subject_of(tree)), None, cache)


# --- text --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TEXT)
def test_line_ends_of_windows_and_a_byte_order_mark_change_nothing(
    tree, truth, cache, kind
) -> None:
    case = CASES[kind]
    path = tree.root / case.path
    content = b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n")
    with damaged(path, content):
        told = require_right_or_told(path, lambda: case.read(subject_of(tree)), truth[kind], cache)
    assert told == ""


@settings(FEW, max_examples=25)
@given(st.binary(max_size=80))
def test_garbage_in_a_table_of_names_leaves_the_labels(noise: bytes) -> None:
    """Whatever stands there, the regions are the same, by number if not by name."""
    tree, truth = garbage_tree()
    path = tree.root / CASES["ctab"].path
    with damaged(path, noise), warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        found = load_collection(subject_of(tree).files, FUNC, "floc-bodies")
        for number in found.present:
            np.testing.assert_array_equal(found.mask(str(number)), truth == number)
            assert found.names[number]


_GARBAGE: list[tuple[TinyTree, np.ndarray]] = []


def garbage_tree() -> tuple[TinyTree, np.ndarray]:
    return _GARBAGE[0]


@pytest.fixture(scope="module", autouse=True)
def _garbage(tree: TinyTree) -> None:
    _GARBAGE[:] = [(tree, tree.subjects[1].spaces["func1pt8mm"].rois["floc-bodies"])]


def test_a_recording_that_lacks_its_end_keeps_its_clock(tree, cache) -> None:
    """Whole rows are gone, so nothing is cut in the middle of a number."""
    path = tree.root / CASES["pulse"].path
    whole = path.read_text().splitlines(keepends=True)

    def read() -> np.ndarray:
        run = open_run(subject_of(tree).files, FUNC, RUN_SESSION, nsd_run=1)
        assert run.physiology.pulse is not None
        return run.physiology.pulse.times_s

    right = read()
    for share in (0.99, 0.995, 0.5):
        with damaged(path, "".join(whole[: int(share * len(whole))]).encode()):
            try:
                times = read()
            except DataError as error:
                assert path.name in str(error)
                continue
        # To within a few samples, the last value was taken when the file says it was.
        assert abs(times[-1] - right[len(times) - 1]) < 0.1


# --- what lies beside --------------------------------------------------------------------------


def expected_psc(tree: TinyTree, subject: Subject) -> tuple[np.ndarray, np.ndarray]:
    betas = subject.betas("brainmask")
    stored = tree.subjects[1].betas["func1pt8mm", B3, None].stored
    expected = stored[:750][(slice(None), *betas.ijk.T)] / np.float32(300)
    valid = tree.subjects[1].spaces["func1pt8mm"].valid[0][tuple(betas.ijk.T)]
    return betas.psc(np.arange(750)), np.where(valid, expected, np.nan)


@pytest.mark.parametrize(
    "name",
    [
        "betas_session01 (1).hdf5", "betas_session01.hdf5.part", "betas_session01 copy.hdf5",
        "BETAS_SESSION01.HDF5", "betas_session1.hdf5", "._betas_session01.hdf5",
        "betas_session01.HDF5",
    ],
)  # fmt: skip
def test_copies_of_a_session_are_not_another_session(small, name) -> None:
    folder = small.betas_folder(1)
    # A copy that is read would show: it holds other numbers.
    with h5py.File(folder / "betas_session01.hdf5") as file:
        shape = file["betas"].shape
    with h5py.File(folder / name, "w") as file:
        file.create_dataset("betas", shape, "<i2", chunks=(750, 1, 1, 1), fillvalue=77)
    subject = subject_of(small)
    assert subject.trials().n_sessions == 1
    found, expected = expected_psc(small, subject)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["betas_session00.hdf5", "betas_session41.hdf5"])
def test_sessions_that_nobody_had_are_left_out_or_refused(small, name) -> None:
    """NSD counts from 1 to 40."""
    folder = small.betas_folder(1)
    shutil.copy(folder / "betas_session01.hdf5", folder / name)
    try:
        assert len(subject_of(small).trials()) == 750
        found, expected = expected_psc(small, subject_of(small))
        np.testing.assert_array_equal(found, expected)
    except NsdViewerError as error:
        assert name in str(error)


def test_a_session_in_two_formats_is_one_session(small) -> None:
    truth = small.subjects[1].betas["func1pt8mm", B3, None].stored
    folder, affine = small.betas_folder(1), small.subjects[1].geometry.affines["func1pt8mm"]
    write_betas_nifti(folder / "betas_session01.nii.gz", truth, affine)
    subject = subject_of(small)
    assert len(subject.trials()) == 750
    found, expected = expected_psc(small, subject)
    np.testing.assert_array_equal(found, expected)
    # An empty one gives way; one that is damaged says so.
    whole = (folder / "betas_session01.hdf5").read_bytes()
    (folder / "betas_session01.hdf5").write_bytes(b"")
    again, _ = expected_psc(small, subject_of(small))
    np.testing.assert_array_equal(again, expected)
    (folder / "betas_session01.hdf5").write_bytes(whole[:5000])
    with pytest.raises(DataError, match=r"betas_session01\.hdf5.*download"):
        subject_of(small).betas("brainmask")


def test_links_in_a_circle_do_not_stop_anybody(small, tmp_path) -> None:
    root = small.root
    before = {e.path: (e.n_files, e.n_bytes) for e in inventory(NsdRoot.open(root))}
    for link in (
        root / "nsddata/loop",
        root / "nsddata/ppdata/subj02",
        root / "nsddata/ppdata/subj01/loop",
        root / "nsddata_betas/loop",
    ):
        link.symlink_to(root, target_is_directory=True)
    here = root / "nsddata/ppdata/subj01/func1pt8mm/roi/circle.nii.gz"
    here.symlink_to(here)
    found, expected = expected_psc(small, subject_of(small))
    np.testing.assert_array_equal(found, expected)
    assert subject_of(small).mask("nsdgeneral").any()
    after = {e.path: (e.n_files, e.n_bytes) for e in inventory(NsdRoot.open(root))}
    assert {path: after[path] for path in before} == before


@pytest.mark.parametrize("target", ["itself", "nowhere"])
@pytest.mark.parametrize(
    "path",
    [
        f"{BETAS}/func1pt8mm/{B3}/betas_session01.hdf5",
        f"{PPDATA}/func1pt8mm/brainmask.nii.gz",
        f"{PPDATA}/func1pt8mm/valid_session01.nii.gz",
        f"{PPDATA}/func1pt8mm/roi/nsdgeneral.nii.gz",
        "nsddata/experiments/nsd/nsd_expdesign.mat",
        f"{PPDATA}/behav/responses.tsv",
    ],
)
def test_links_that_lead_nowhere_are_files_that_are_missing(
    tree, cache, capsys, path, target
) -> None:
    """Data under git-annex look like this until they are fetched."""
    shutil.rmtree(cache, ignore_errors=True)
    place = tree.root / path
    aside = place.rename(place.with_name("aside"))
    try:
        place.symlink_to(place if target == "itself" else "nowhere")
        try:
            subject = subject_of(tree)
            subject.trials()
            betas = subject.betas("nsdgeneral")
            assert np.isfinite(betas.psc(np.arange(3))).any()
        except NsdViewerError as error:
            assert place.name in str(error) or "betas" in str(error)
            assert any(word in str(error) for word in REMEDIES)
    finally:
        place.unlink()
        aside.rename(place)


def test_a_folder_in_place_of_a_file_is_named(small, tmp_path) -> None:
    for path in (
        small.betas_folder(1) / "betas_session01.hdf5",
        small.ppdata(1, "func1pt8mm") / "valid_session01.nii.gz",
        small.root / "nsddata/experiments/nsd/nsd_expdesign.mat",
    ):
        aside = path.rename(path.with_name("aside"))
        path.mkdir()
        with pytest.raises(NsdViewerError, match=path.name):
            subject = subject_of(small)
            subject.trials()
            subject.betas("brainmask")
        path.rmdir()
        aside.rename(path)


# --- disks that are full or closed -------------------------------------------------------------

FULL = """
import json, os, resource, signal, sys
from nsdviewer.cli.main import main
import nsdviewer.cli.parser
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder, commands = sys.argv[1], json.loads(sys.argv[2])

def below(place):
    found = [os.path.join(at, name) for at, _, names in os.walk(place) for name in names]
    return {path: os.path.getsize(path) for path in found}

def run(words, n_bytes):
    told = os.path.join(folder, "told.txt")
    pid = os.fork()
    if not pid:
        os.dup2(os.open(told, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), 2)
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, resource.RLIM_INFINITY))
        try:
            os._exit(main(words))
        except BaseException as error:
            os.write(2, ("Traceback " + repr(error)).encode())
            os._exit(99)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with open(told) as stream:
        said = stream.read()
    os.unlink(told)
    return {"status": status, "said": said, "left": below(folder)}

print(json.dumps({
    name: [run(words, n) for n in (20_000, 1 << 40, 20_000)] for name, words in commands.items()
}))
"""


def commands(tree: TinyTree, out: Path) -> dict[str, list[str]]:
    root = [str(tree.root), "--subject", "1"]
    brainmask = str(tree.ppdata(1, "func1pt8mm") / "brainmask.nii.gz")
    return {
        "betas": ["betas", *root, "--trials", "0:750", "--roi", "brainmask", "--out", f"{out}/x.npz"],
        "trials": ["trials", *root, "--out", f"{out}/trials.csv"],
        "transform": [
            *("transform", *root, "--from", "func1pt8", "--to", "anat0pt8"),
            *("--interp", "linear", brainmask, f"{out}/moved.nii"),
        ],
    }  # fmt: skip


def files_below(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


def test_a_full_disk_is_told_and_what_was_there_stays(tree, tmp_path) -> None:
    """No room for cache and output; then there is room; then there is none again."""
    out, held = tmp_path / "out", tmp_path / "cache"
    words = commands(tree, out)
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path), json.dumps(words)],
        env={**os.environ, "NSDVIEWER_CACHE": str(held)},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ran = json.loads(done.stdout.strip().splitlines()[-1])
    before: set[str] = set()
    for command, (full, roomy, again) in ran.items():
        written = words[command][-1]
        for refused in (full, again):
            assert refused["status"] == 1, (command, refused)
            last = refused["said"].strip().splitlines()[-1]
            assert last.startswith("nsdviewer: ")
            assert "Traceback" not in refused["said"]
            assert any(word in last for word in (*REMEDIES, "written")), last
        assert set(full["left"]) == before, command
        assert roomy["status"] == 0, roomy
        assert roomy["left"][written] > 20_000
        # An output that is there survives a disk that is full the next time.
        assert again["left"] == roomy["left"]
        before = set(roomy["left"])
        assert not [name for name in before if ".writing-" in name]
    with np.load(words["betas"][-1]) as arrays:
        stored = tree.subjects[1].betas["func1pt8mm", B3, None].stored[:750]
        expected = stored[(slice(None), *arrays["ijk"].T)] / np.float32(300)
        there = np.isfinite(arrays["betas"])
        np.testing.assert_array_equal(arrays["betas"][there], expected[there])


@pytest.mark.parametrize("where", ["/proc/nowhere/cache", "below a file"])
def test_a_cache_that_cannot_be_written_is_told_or_done_without(
    tree, tmp_path, monkeypatch, capsys, where
) -> None:
    if where == "below a file":
        (tmp_path / "file").write_text("no folder")
        where = str(tmp_path / "file" / "cache")
    monkeypatch.setenv("NSDVIEWER_CACHE", where)
    out = tmp_path / "out"
    words = commands(tree, out)
    assert main(words["betas"]) == 1
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith("nsdviewer: ")
    assert "NSDVIEWER_CACHE" in told
    assert files_below(out) == [] if out.exists() else True
    # What needs no cache does not ask for one.
    assert main(words["trials"]) == 0
    nsd = open_nsd(tree.root)
    ids = tree.subjects[1].trials["nsd_id"].to_numpy()[:2]
    assert nsd.stimuli.thumbnails(ids).shape == (2, 96, 96, 3)
    assert len(read_coco(nsd.root, ids, tree.root / "coco")) == 2


@pytest.mark.parametrize("command", ["betas", "trials", "transform"])
def test_an_output_that_cannot_be_written_is_one_sentence(
    tree, cache, tmp_path, capsys, command
) -> None:
    (tmp_path / "file").write_text("no folder")
    for out in (Path("/proc/nowhere"), tmp_path / "file"):
        assert main(commands(tree, out)[command]) == 1
        told = capsys.readouterr().err.strip().splitlines()[-1]
        assert told.startswith("nsdviewer: ")
        assert str(out) in told
        assert any(word in told for word in (*REMEDIES, "written"))


# --- processes that die ------------------------------------------------------------------------

KILLED = """
import os, random, shutil, signal, sys, time
import numpy as np
from nsdviewer import open_nsd
root, expected = sys.argv[1], np.load(sys.argv[2])
held = os.path.join(root, ".nsdviewer", "subj01")
random.seed(int(sys.argv[3]))

def forked(work):
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
    except BaseException as error:
        sys.stderr.write(repr(error))
        os._exit(1)
    os._exit(0)

def build_again_and_again():
    while True:
        open_nsd(root).subject(1).betas("brainmask")
        shutil.rmtree(held)

def check():
    found = open_nsd(root).subject(1).betas("brainmask").psc(np.arange(750))
    np.testing.assert_array_equal(found, expected)
    assert not [n for n in os.listdir(held) if n.startswith(".writing-")], os.listdir(held)
    assert len(os.listdir(held)) == 1, os.listdir(held)

n_broken = 0
for _ in range(15):
    shutil.rmtree(held, ignore_errors=True)
    pid = forked(build_again_and_again)
    time.sleep(random.uniform(0.005, 0.15))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    n_broken += os.path.isdir(held) and any(n.startswith(".writing-") for n in os.listdir(held))
    status = os.waitpid(forked(check), 0)[1]
    assert status == 0, status
print(n_broken)
"""


def test_a_cache_whose_building_was_killed_is_built_again_and_leaves_nothing(
    small, tmp_path
) -> None:
    found, expected = expected_psc(small, subject_of(small))
    np.testing.assert_array_equal(found, expected)
    np.save(tmp_path / "expected.npy", expected)
    words = [sys.executable, "-c", KILLED, str(small.root), str(tmp_path / "expected.npy"), "3"]
    environment = {k: v for k, v in os.environ.items() if k != "NSDVIEWER_CACHE"}
    done = subprocess.run(words, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # Some were caught in the act, or nothing was tested.
    assert int(done.stdout) > 0


@pytest.mark.parametrize("name", ["trials.npy", "sites.npy", "valid.npy", "source.json"])
def test_a_cache_that_breaks_off_is_built_again(tree, truth, cache, name) -> None:
    shutil.rmtree(cache, ignore_errors=True)
    subject_of(tree).betas("brainmask")
    (path,) = cache.rglob(name)
    whole = path.read_bytes()

    @settings(FEW, max_examples=8)
    @given(PLACES)
    def holds(where: float) -> None:
        path.write_bytes(whole[: place_in(len(whole), where)])
        found = subject_of(tree).betas("brainmask").psc(np.arange(750))
        np.testing.assert_array_equal(found, truth["betas hdf5"]["psc"])

    holds()


@pytest.mark.parametrize("content", [b"[]", b"5", b"null", b'{"sessions": 3}', b"\xff\xfe", b"{}"])
def test_a_ledger_that_makes_no_sense_is_written_again(tree, truth, cache, content) -> None:
    shutil.rmtree(cache, ignore_errors=True)
    subject_of(tree).betas("brainmask")
    (path,) = cache.rglob("source.json")
    path.write_bytes(content)
    found = subject_of(tree).betas("brainmask").psc(np.arange(750))
    np.testing.assert_array_equal(found, truth["betas hdf5"]["psc"])


@pytest.mark.parametrize("name", ["trials.npy", "sites.npy", "valid.npy"])
def test_a_cached_array_of_another_kind_is_built_again(tree, truth, cache, name) -> None:
    for change in (
        lambda array: array.astype(array.dtype.newbyteorder(">")),
        lambda array: array.astype(np.float64),
        lambda array: array.ravel(),
        lambda array: array[:0],
    ):
        shutil.rmtree(cache, ignore_errors=True)
        subject_of(tree).betas("brainmask")
        (path,) = cache.rglob(name)
        np.save(path, change(np.load(path)))
        found = subject_of(tree).betas("brainmask")
        np.testing.assert_array_equal(found.psc(np.arange(750)), truth["betas hdf5"]["psc"])
        assert found.site_psc(0).shape == (750,)
