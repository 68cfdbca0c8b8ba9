"""A whole download passes, each kind of damage is found and named, and nothing is written."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
from scipy.io import savemat

from nsdviewer.cli import main
from nsdviewer.data.verify import published
from nsdviewer.data.verify.integrity import FileKind, kinds_in, require_whole
from nsdviewer.data.verify.verification import Level, Report, Topic, verify
from nsdviewer.errors import Cancelled, DataError, RequestError
from nsdviewer.jobs import SilentProgress, Ticket
from tests.nsd_tree import B2, B3, TinyTree, build_tree, scribble, truncate

PPDATA = "nsddata/ppdata/subj01"
FUNC = f"{PPDATA}/func1pt8mm"
BETAS = f"nsddata_betas/ppdata/subj01/func1pt8mm/{B3}"
FSAVERAGE = f"nsddata_betas/ppdata/subj01/fsaverage/{B3}"
NATIVE = f"nsddata_betas/ppdata/subj01/nativesurface/{B3}"
SURF = "nsddata/freesurfer/subj01/surf"
EXPERIMENT = "nsddata/experiments/nsd"
STIMULI = "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"


def check(root: Path, **options: object) -> Report:
    return verify(root, SilentProgress(), **options)


def listing(root: Path) -> list[tuple[str, int, int]]:
    files = sorted(root.rglob("*"))
    return [(str(p), p.stat().st_mtime_ns, p.stat().st_size) for p in files]


def paths(report: Report, level: Level) -> set[str]:
    return {f.path for f in report.of_level(level)}


def said(report: Report, level: Level, word: str) -> list[str]:
    return [str(f) for f in report.of_level(level) if word in str(f)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> TinyTree:
    """A tree with every space that NSD has."""
    return build_tree(
        tmp_path_factory.mktemp("nsd") / "whole",
        betas=(
            ("func1pt8mm", B3, "hdf5"),
            ("func1mm", B2, "nii.gz"),
            ("MNI", B2, "nii.gz"),
            ("fsaverage", B3, "mgh"),
            ("nativesurface", B3, "hdf5"),
        ),
        timeseries=(("func1pt8mm", 1),),
        side_experiments=("nsdsynthetic", "nsdimagery"),
        reduced_brick=True,
    )


@pytest.fixture(scope="module")
def report(whole: TinyTree) -> Report:
    return check(whole.root)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a decoder needs, and no more."""
    root = tmp_path_factory.mktemp("nsd") / "plain"
    build_tree(root, stim_info=False, stimuli=False, surfaces=False, transforms=False)
    return root


@pytest.fixture
def copy(plain: Path, tmp_path: Path) -> Path:
    """The plain tree, to be damaged."""
    return Path(shutil.copytree(plain, tmp_path / "copy"))


# --- a whole tree ------------------------------------------------------------------------------


def test_a_whole_tree_is_not_damaged_and_warns_of_sizes_only(report: Report) -> None:
    assert report.of_level(Level.DAMAGED) == ()
    assert {f.topic for f in report.of_level(Level.WARNING)} <= {Topic.PUBLISHED}
    assert not report.is_damaged and not report.required_missing
    assert report.verdict.startswith("Nothing is damaged")


def test_what_is_there_is_listed(report: Report, whole: TinyTree) -> None:
    (subject,) = report.subjects
    core = [b for b in subject.betas if b.n_published]
    assert {(b.space.value, b.version.short) for b in core} == {
        ("func1pt8mm", "b3"), ("func1mm", "b2"), ("MNI", "b2"), ("fsaverage", "b3"),
        ("nativesurface", "b3"),
    }  # fmt: skip
    assert {b.sessions for b in core} == {(1, 2, 3)}
    assert {b.version.short for b in subject.betas if not b.n_published} == {
        "synthetic-b2", "synthetic-b3", "imagery-b2", "imagery-b3",
    }  # fmt: skip
    assert subject.n_transforms == (86, 86)
    assert subject.n_behaviour_trials == 2250
    assert subject.n_timeseries_runs == 12
    assert {"white", "pial", "layerB1", "full.flat.patch.3d"} <= set(subject.surfaces)
    for space, names in subject.roi_collections.items():
        assert set(names) <= set(published.ROI_COLLECTIONS) | {"visualsulc"}, space
    assert report.n_pictures == len(whole.shown) and report.has_design


def test_recomputed_reliability_agrees_with_nsds_own_rule(report: Report) -> None:
    agreements = report.subjects[0].reliability
    assert {(a.space.value, a.version.short) for a in agreements} == {
        ("func1pt8mm", "b3"), ("func1mm", "b2"), ("fsaverage", "b3"), ("nativesurface", "b3"),
    }  # fmt: skip
    for agreement in agreements:
        assert agreement.pearson_r > 0.9999 and agreement.max_difference < 1e-3
        assert agreement.n_sessions == 3 and agreement.is_complete


def test_nothing_is_written_into_the_tree(plain: Path) -> None:
    before = listing(plain)
    check(plain)
    assert main(["verify", str(plain), "--json"]) == 0
    assert listing(plain) == before


def test_a_simulated_subject_is_not_damaged(mini_root: Path) -> None:
    report = check(mini_root)
    assert report.is_simulated
    assert report.of_level(Level.DAMAGED) == ()
    # Whatever is smaller than NSD is no news in a simulation.
    assert not [
        f for f in report.findings if f.topic is Topic.PUBLISHED and f.level is not Level.NOTE
    ]


def test_json_is_stable_and_says_what_the_text_says(
    plain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for _ in range(2):
        assert main(["verify", str(plain), "--json"]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    document = json.loads(said[0])
    assert (document["format"], document["version"]) == ("nsdviewer-verification", 1)
    assert document["simulated"] is False and document["root"] == str(plain)
    assert document["damaged"] == [] and document["summary"]["damaged"] == 0
    assert document["summary"]["missing"] == len(document["missing"])
    subject = document["subjects"]["1"]
    assert subject["betas"][0]["sessions"] == [1, 2, 3]
    assert subject["reliability"][0]["pearson_r"] == pytest.approx(1, abs=1e-4)
    assert main(["verify", str(plain)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == document["verdict"]


# --- damage ------------------------------------------------------------------------------------


def rewrite_betas(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    with h5py.File(path) as file:
        stored = change(file["betas"][:])
    with h5py.File(path, "w") as file:
        chunks = (len(stored), *(1,) * (stored.ndim - 1))
        file.create_dataset("betas", data=stored, chunks=chunks)


def blank_index(path: Path) -> None:
    """What a download with holes leaves: the right length, and zeros where the index was."""
    content = path.read_bytes()
    place = content.index(b"TREE\x01")
    path.write_bytes(content[:place] + bytes(4096) + content[place + 4096 :])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def save_another_grid(path: Path) -> None:
    image = nib.load(path)
    nib.save(nib.Nifti1Image(np.zeros((5, 5, 5)), image.affine), path)


def save_brick_of_floats(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["imgBrick"] = np.zeros((3, 425, 425))


def swap_two_pictures(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    cells = [line.split(",") for line in lines[1:3]]
    for name, column in enumerate(lines[0].strip().split(",")):
        if column.startswith("subject1_rep"):
            cells[0][name], cells[1][name] = "7", "9"
    path.write_text("".join([lines[0], *(",".join(c) for c in cells), *lines[3:]]))


DAMAGE: dict[str, Callable[[Path], None]] = {
    f"{BETAS}/betas_session01.hdf5": truncate,
    f"{BETAS}/betas_session02.hdf5": lambda p: rewrite_betas(p, lambda b: b[:749]),
    f"{BETAS}/betas_session03.hdf5": lambda p: rewrite_betas(p, lambda b: b.swapaxes(1, 3)),
    f"{NATIVE}/lh.betas_session01.hdf5": blank_index,
    f"{NATIVE}/lh.betas_session02.hdf5": lambda p: rewrite_betas(p, lambda b: b.astype("f4")),
    f"{FSAVERAGE}/rh.betas_session02.mgh": truncate,
    f"{FSAVERAGE}/rh.ncsnr.mgh": empty,
    f"{BETAS}/ncsnr.nii.gz": scribble,
    f"{FUNC}/prf_angle.nii.gz": empty,
    f"{FUNC}/floc_facestval.nii.gz": truncate,
    f"{FUNC}/roi/streams.nii.gz": save_another_grid,
    f"{PPDATA}/transforms/lh.func1pt8-to-layerB2.mgz": truncate,
    f"{PPDATA}/transforms/func1pt8-to-MNI.nii.gz": scribble,
    f"{SURF}/lh.white": truncate,
    f"{SURF}/rh.full.flat.patch.3d": truncate,
    f"{SURF}/rh.sulc": truncate,
    "nsddata/freesurfer/subj01/label/streams.mgz.ctab": lambda p: p.write_bytes(bytes(99)),
    "nsddata_timeseries/ppdata/subj01/func1pt8mm/motion/motion_session01_run02.tsv": scribble,
    "nsddata_timeseries/ppdata/subj01/func1pt8mm/design/design_session01_run04.tsv": (
        lambda p: p.write_text(p.read_text()[:-40] + "7")
    ),
    "nsddata_timeseries/ppdata/subj01/func1pt8mm/timeseries/"
    "timeseries_session01_run03.nii.gz": truncate,
    f"{PPDATA}/behav/responses.tsv": truncate,
    f"{EXPERIMENT}/nsd_stim_info_merged.csv": swap_two_pictures,
    "nsddata/templates/hrfs_func1mm.mat": truncate,
    STIMULI: save_brick_of_floats,
}


@pytest.fixture(scope="module")
def damaged(whole: TinyTree, tmp_path_factory: pytest.TempPathFactory) -> Report:
    root = Path(shutil.copytree(whole.root, tmp_path_factory.mktemp("nsd") / "damaged"))
    for name, spoil in DAMAGE.items():
        spoil(root / name)
    return check(root)


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found_and_named(damaged: Report, name: str) -> None:
    (finding,) = [f for f in damaged.of_level(Level.DAMAGED) if f.path == name]
    assert "download" in finding.next_step
    assert finding.subject == (1 if "subj01" in name else None)


def test_only_what_is_damaged_is_said_to_be(damaged: Report) -> None:
    assert paths(damaged, Level.DAMAGED) == set(DAMAGE)
    assert f"{len(DAMAGE)} files are damaged" in damaged.verdict
    # What is whole is still compared.
    assert any(a.space.value == "func1mm" for a in damaged.subjects[0].reliability)


def test_the_exit_status_tells_damage_from_what_is_missing(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / f"{BETAS}/betas_session03.hdf5").unlink()
    (copy / f"{FUNC}/prf_angle.nii.gz").unlink()
    assert main(["verify", str(copy)]) == 0
    truncate(copy / f"{FUNC}/prf_size.nii.gz")
    capsys.readouterr()
    assert main(["verify", str(copy), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert [d["path"] for d in document["damaged"]] == [f"{FUNC}/prf_size.nii.gz"]


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("name", [f"{FUNC}/R2.nii.gz", f"{BETAS}/betas_session02.hdf5"])
def test_a_quick_look_finds_truncation_too(copy: Path, name: str, quick: bool) -> None:
    truncate(copy / name, keep=0.9)
    assert paths(check(copy, quick=quick), Level.DAMAGED) == {name}


def test_a_design_that_contradicts_itself_is_damage(copy: Path) -> None:
    path = copy / EXPERIMENT / "nsd_expdesign.mat"
    savemat(path, {"masterordering": [[1, 9]], "subjectim": [[1, 2]], "sharedix": [[1]]})
    assert paths(check(copy), Level.DAMAGED) == {f"{EXPERIMENT}/nsd_expdesign.mat"}


def test_behaviour_of_another_subject_is_damage(copy: Path) -> None:
    path = copy / PPDATA / "behav/responses.tsv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], *("2" + line[1:] for line in lines[1:])]))
    (finding,) = check(copy).of_level(Level.DAMAGED)
    assert finding.path.endswith("responses.tsv") and "another subject" in finding.what


def test_a_brain_mask_without_a_brain_is_damage(copy: Path) -> None:
    path = copy / FUNC / "brainmask.nii.gz"
    image = nib.load(path)
    nib.save(nib.Nifti1Image(np.zeros(image.shape, np.int16), None, image.header), path)
    assert f"{FUNC}/brainmask.nii.gz" in paths(check(copy), Level.DAMAGED)


@pytest.mark.parametrize("keep", [0.0, 0.02, 0.3, 0.8, 0.99])
@pytest.mark.parametrize("name", ["x.nii.gz", "x.nii", "x.mgz", "x.mgh", "x.hdf5"])
def test_a_file_cut_off_anywhere_is_not_whole(tmp_path: Path, name: str, keep: float) -> None:
    path, kind = tmp_path / name, kinds_in(tmp_path, [name])[name]
    values = np.random.default_rng(0).standard_normal((9, 8, 7, 30)).astype(np.float32)
    if kind is FileKind.HDF5:
        with h5py.File(path, "w") as file:
            file["betas"] = values
    else:
        maker = nib.MGHImage if "mg" in name else nib.Nifti1Image
        nib.save(maker(values, np.eye(4)), path)
    require_whole(path, kind, False, SilentProgress())
    require_whole(path, kind, True, SilentProgress())
    truncate(path, keep=keep)
    for quick in (False, True):
        with pytest.raises(DataError, match=name):
            require_whole(path, kind, quick, SilentProgress())


# --- what is missing, odd or left over ---------------------------------------------------------


def test_without_a_design_nothing_can_be_shown_but_nothing_is_damaged(copy: Path) -> None:
    (copy / EXPERIMENT / "nsd_expdesign.mat").unlink()
    shutil.rmtree(copy / BETAS)
    report = check(copy)
    assert [f.is_required for f in report.findings[:3]] == [True, True, False]
    assert report.verdict.startswith("Nothing can be shown without")
    assert not report.is_damaged


def test_a_gap_is_a_warning_and_later_sessions_are_missing(copy: Path) -> None:
    (copy / f"{BETAS}/betas_session02.hdf5").unlink()
    report = check(copy)
    assert said(report, Level.WARNING, "session 2 is missing before session 3")
    assert said(report, Level.MISSING, "sessions 4-40 are missing, of 40")
    # The file speaks of three sessions, two are read: that they differ is no fault.
    assert not [f for f in report.of_level(Level.WARNING) if f.topic is Topic.RELIABILITY]
    assert not report.subjects[0].reliability[0].is_complete


def test_three_last_sessions_withheld_is_a_download_of_its_time(copy: Path) -> None:
    first = copy / f"{BETAS}/betas_session01.hdf5"
    for session in range(4, 38):
        (copy / f"{BETAS}/betas_session{session:02d}.hdf5").symlink_to(first)
    assert said(check(copy, quick=True), Level.NOTE, "legacy-37")


def test_sessions_in_two_formats_say_which_is_read(copy: Path) -> None:
    with h5py.File(copy / f"{BETAS}/betas_session01.hdf5") as file:
        stored = file["betas"][:].T
    image = nib.Nifti1Image(stored, nib.load(copy / FUNC / "brainmask.nii.gz").affine)
    nib.save(image, copy / f"{BETAS}/betas_session01.nii.gz")
    assert said(check(copy), Level.NOTE, "hdf5 is read")


def test_responses_of_swapped_sessions_do_not_agree(copy: Path) -> None:
    one, two, aside = (copy / f"{BETAS}/betas_{n}.hdf5" for n in ("session01", "session02", "x"))
    one.rename(aside), two.rename(one), aside.rename(two)
    report = check(copy)
    assert said(report, Level.WARNING, "reliability recomputed")
    assert not report.is_damaged


def test_zeros_where_the_mask_promises_data_are_named(copy: Path) -> None:
    rewrite_betas(copy / f"{BETAS}/betas_session03.hdf5", np.zeros_like)
    assert said(check(copy), Level.WARNING, "betas of session 3 are zero")


def test_headers_of_other_programs_are_named(copy: Path) -> None:
    path = copy / FUNC / "mean.nii.gz"
    image = nib.load(path)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), np.eye(4)), path)
    texts = said(check(copy), Level.WARNING, "mean.nii.gz")
    assert len(texts) == 2 and any("sform" in t for t in texts)


def test_hemispheres_that_overlap_and_unknown_labels_are_named(copy: Path) -> None:
    folder = copy / FUNC / "roi"
    shutil.copy(folder / "lh.streams.nii.gz", folder / "rh.streams.nii.gz")
    path = folder / "floc-places.nii.gz"
    image = nib.load(path)
    labels = np.asarray(image.dataobj).copy()
    labels[labels == 1] = 77
    nib.save(nib.Nifti1Image(labels, None, image.header), path)
    report = check(copy)
    assert said(report, Level.WARNING, "in both hemispheres")
    assert said(report, Level.WARNING, "labels 77 have no name")
    assert said(report, Level.WARNING, "differs from lh.floc-places")


def test_leftovers_links_and_strange_files_are_named_and_stop_nothing(copy: Path) -> None:
    (copy / f"{BETAS}/betas_session04.hdf5.part").write_bytes(b"x")
    (copy / f"{BETAS}/betas_session01 (1).hdf5").write_bytes(b"x")
    (copy / PPDATA / "notes.docx").write_bytes(b"")
    (copy / FUNC / "loop").symlink_to(copy)
    (copy / FUNC / "T2.nii.gz").symlink_to(copy / FUNC / "T2.nii.gz")
    (copy / FUNC / "SWI.nii.gz").symlink_to(copy / "nowhere")
    report = check(copy)
    assert not report.is_damaged
    assert said(report, Level.WARNING, "unfinished or repeated downloads")
    assert {f"{FUNC}/T2.nii.gz", f"{FUNC}/SWI.nii.gz"} <= paths(report, Level.WARNING)
    assert f"{FUNC}/loop" in paths(report, Level.NOTE)
    assert said(report, Level.NOTE, "not checked: 1")


def test_a_subject_on_another_disk_is_checked(copy: Path, tmp_path: Path) -> None:
    there = tmp_path / "disk" / "subj01"
    there.parent.mkdir()
    (copy / PPDATA).rename(there)
    (copy / PPDATA).symlink_to(there)
    truncate(there / "func1pt8mm/R2.nii.gz")
    assert paths(check(copy), Level.DAMAGED) == {f"{FUNC}/R2.nii.gz"}


def test_one_subject_alone_is_checked(tmp_path: Path) -> None:
    build_tree(tmp_path, subjects=(1, 2), stim_info=False, stimuli=False, surfaces=False,
               transforms=False, sessions=(1,))  # fmt: skip
    truncate(tmp_path / "nsddata/ppdata/subj02/func1pt8mm/R2.nii.gz")
    assert not check(tmp_path, subjects=(1,)).is_damaged
    assert check(tmp_path, subjects=(2,)).is_damaged
    with pytest.raises(RequestError, match="Subject 3"):
        check(tmp_path, subjects=(3,))


def test_it_can_be_cancelled(plain: Path) -> None:
    ticket = Ticket()
    ticket.cancel()
    with pytest.raises(Cancelled):
        verify(plain, ticket)


# --- published numbers -------------------------------------------------------------------------


@pytest.mark.parametrize("off, level", [(0, Level.OK), (1, Level.WARNING)])
def test_counts_are_compared_on_the_subjects_own_grid(
    tmp_path: Path, off: int, level: Level
) -> None:
    known = published.SUBJECTS[1]
    folder = tmp_path / FUNC
    (folder / "roi").mkdir(parents=True)
    for name, n in (("brainmask", known.n_voxels["brainmask"] + off), ("roi/nsdgeneral", 15724)):
        values = np.full(known.func1pt8mm, -1 if "roi" in name else 0, np.int16)
        values.reshape(-1)[:n] = 1
        if "roi" in name:
            values.reshape(-1)[n : known.n_voxels["ribbon"]] = 0
        nib.save(nib.Nifti1Image(values, np.eye(4)), folder / f"{name}.nii.gz")
    findings = [f for f in check(tmp_path).of_level(level) if "numbers of voxels" in f.what]
    assert len(findings) == 1
    assert ("brainmask 370504 (370503)" in findings[0].what) == bool(off)


def test_published_tables_agree_with_each_other() -> None:
    sizes = [int(np.prod(s.func1pt8mm)) for s in published.SUBJECTS.values()]
    assert sizes == [699192, 730128, 704052, 673200, 597714, 797215, 600210, 642720]
    for subject in published.SUBJECTS.values():
        # The 1.8-mm grid covers what the 1-mm grid covers.
        coarse = np.floor((np.array(subject.func1mm) - 1) / 1.8) + 1
        assert (np.abs(coarse - subject.func1pt8mm) <= 1).all()
        voxels = subject.n_voxels
        assert voxels["nsdgeneral"] < voxels["HCP_MMP1"] < voxels["brainmask"]
    assert published.SUBJECTS[1].n_voxels["ribbon"] == 699192 - 592088
    assert sum(s.n_sessions for s in published.SUBJECTS.values()) * 750 == 213_000
