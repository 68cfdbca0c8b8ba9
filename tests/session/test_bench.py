"""The bench: what enters a reconstruction, its scores and controls, and what happens without parts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from nsdviewer.errors import Cancelled, RequestError
from nsdviewer.evaluation.catalogue import ConditionKind, Metric
from nsdviewer.evaluation.conditions import Condition, TestPictures
from nsdviewer.evaluation.pictures import ArrayPictures
from nsdviewer.evaluation.scoring import score_pixels as report_pixels
from nsdviewer.jobs import SilentProgress, Ticket
from nsdviewer.mapping.concepts import parse_concept
from nsdviewer.mapping.vocabulary import load_vocabulary
from nsdviewer.models.checkpoints import save_checkpoint
from nsdviewer.models.diffusion.config import FlowConfig
from nsdviewer.models.diffusion.network import FlowNetwork
from nsdviewer.rendering.montage import Sheet, SheetRow, draw_sheet, write_sheet
from nsdviewer.session import open_workspace
from nsdviewer.session.bench_concepts import average_decoded, away_from, concept_bars
from nsdviewer.session.bench_controls import Control, control_pictures, other_trials
from nsdviewer.session.bench_nearest import nearest_pictures
from nsdviewer.session.bench_scores import mosaic, score_pixels
from nsdviewer.session.bench_sheets import SheetRequest, SheetTrials, paint_sheet
from nsdviewer.session.bench_trials import group_trials
from nsdviewer.session.decoding import (
    Reconstruction,
    decode_groups,
    mean_responses,
    reconstruct,
    reconstruction_of,
)
from nsdviewer.session.demo import first_state, fit_missing
from nsdviewer.session.patches import require_patch
from nsdviewer.session.voxels import voxel_card
from nsdviewer.state import Hemisphere, Patch, Theme, ViewState
from tests.conftest import Subject

QUIET = SilentProgress()


def shared(mini: Subject, n: int) -> tuple[int, ...]:
    """The first trials of n different test pictures."""
    table = mini.workspace.table
    trials = table.select("shared")
    _, first = np.unique(table.column("nsd_id")[trials], return_index=True)
    return tuple(int(t) for t in trials[first][:n])


@pytest.fixture(scope="module")
def one(mini: Subject) -> Reconstruction:
    return reconstruct(mini.workspace, shared(mini, 1), True, 0)


@pytest.fixture(scope="module")
def five(mini: Subject) -> Reconstruction:
    return reconstruct(mini.workspace, shared(mini, 5), True, 0)


def alike(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two pictures are the same but for rounding, which depends on the batch."""
    return int(np.abs(first.astype(int) - second.astype(int)).max()) <= 1


def tiny_flow(path: Path, embedding: str = "conse") -> Path:
    """A flow-matching decoder of a few random weights that works in three steps."""
    config = FlowConfig(16, 384, widths=(8, 16), n_condition=16, n_seed=2)
    torch.manual_seed(0)
    header = {
        "network": config.to_dict(), "embedding": embedding,
        "sampling": {"n_steps": 3, "order": 2, "guidance": 1.5},
    }  # fmt: skip
    save_checkpoint(path, "flow", FlowNetwork(config).state_dict(), header)
    return path


# --- what enters --------------------------------------------------------------------------------


def test_pictures_weigh_equally_however_often_they_were_shown_or_selected(mini, five) -> None:
    w = mini.workspace
    z = mean_responses(w, [np.array(g) for g in five.groups], w.decoder())
    mean = np.array([column[np.isfinite(column)].sum() / max(np.isfinite(column).sum(), 1)
                     for column in z.T], np.float32)  # fmt: skip
    np.testing.assert_allclose(five.decoded, w.decoder().decode(mean[None])[0], atol=1e-5)
    again = (*shared(mini, 5), int(five.groups[0][-1]), int(five.groups[0][1]))
    np.testing.assert_array_equal(reconstruct(w, again, True, 0).decoded, five.decoded)
    assert [len(g) for g in five.groups] == [3] * 5
    assert five.title == "5 pictures · mean of 15 trials"


def test_without_averaging_each_trial_stands_for_itself(mini) -> None:
    w = mini.workspace
    trials = (9, 4, 4, 120)
    groups = group_trials(w.table, trials, average_repeats=False)
    assert [g.tolist() for g in groups] == [[9], [4], [120]]
    found = reconstruct(w, trials, False, 0)
    z = mean_responses(w, groups, w.decoder())
    np.testing.assert_allclose(
        found.decoded, w.decoder().decode(np.nanmean(z, 0)[None])[0], atol=1e-5
    )


def test_one_selection_of_one_picture_is_that_picture_decoded(mini, one) -> None:
    w = mini.workspace
    np.testing.assert_array_equal(one.decoded, decode_groups(w, [np.array(one.trials)])[0])
    np.testing.assert_array_equal(one.painted, w.painter().paint(one.decoded[None], 0)[0])
    assert one.seen is one.seen_pictures[0]
    assert one.is_of(one.state) and not one.is_of(one.state.replace(seed=1))


def test_factors_scale_deviations_from_the_training_mean(mini) -> None:
    w = mini.workspace
    groups, n = [np.array([3, 90])], len(w.decoder().sites)
    plain = decode_groups(w, groups)
    np.testing.assert_array_equal(decode_groups(w, groups, "", np.ones(n, np.float32)), plain)
    silent = decode_groups(w, groups, "", np.zeros(n, np.float32))[0]
    np.testing.assert_array_equal(silent, average_decoded(w.decoder()))
    half = np.ones(n, np.float32)
    half[: n // 2] = 0
    z = mean_responses(w, groups, w.decoder())
    z[:, : n // 2] = 0
    np.testing.assert_array_equal(decode_groups(w, groups, "", half), w.decoder().decode(z))
    with pytest.raises(RequestError, match="factors"):
        decode_groups(w, groups, "", half[:-1])


def test_a_scaled_region_reaches_picture_controls_and_sheet(mini) -> None:
    w = mini.workspace
    plain = mini.state.replace(trials=shared(mini, 2))
    scaled = plain.replace(scaling=((w.decoder().header.roi, 0.0),))
    found = reconstruction_of(w, scaled)
    assert found is not None and "0" in found.scaling
    np.testing.assert_allclose(found.decoded, average_decoded(w.decoder()), atol=1e-6)
    brain = control_pictures(w, found, QUIET)[0]
    assert brain.kind is Control.SHUFFLED
    assert alike(brain.picture, found.painted)
    sheet = paint_sheet(w, scaled, SheetRequest(), QUIET)
    assert alike(sheet.rows[0].pictures[1], sheet.rows[1].pictures[1])
    assert found.scaling in sheet.caption


# --- scores -------------------------------------------------------------------------------------


def test_the_rank_is_the_place_of_the_seen_picture_among_the_test_pictures(mini, one) -> None:
    w = mini.workspace
    cosines = w.image_embeddings(w.test_nsd_ids) @ one.decoded
    order = w.test_nsd_ids[np.argsort(-cosines)]
    assert one.rank == 1 + int(np.flatnonzero(order == one.nsd_id)[0])
    own = w.test_nsd_ids == one.nsd_id
    assert one.scores.cosine == pytest.approx(float(cosines[own][0]), abs=1e-6)
    assert one.scores.cosine_others == pytest.approx(float(cosines[~own].mean()), abs=1e-6)


def test_several_pictures_have_the_mean_of_their_own_ranks(mini, five) -> None:
    alone = [reconstruct(mini.workspace, t, True, 0).rank for t in shared(mini, 5)]
    assert five.scores.rank == pytest.approx(np.mean(alone))
    assert five.scores.n_ranked == 5
    assert five.scores.said()[0][1] == "mean rank"


def test_pixel_scores_are_those_of_the_report(mini, five) -> None:
    n = len(five.seen_pictures)
    test = TestPictures(
        np.arange(n), ArrayPictures(five.seen_pictures), np.zeros((n, 2), np.float32)
    )
    made = Condition(ConditionKind.CEILING, None, ArrayPictures([five.painted] * n))
    report = report_pixels(test, [made], QUIET)
    expected = [
        report[m][ConditionKind.CEILING].mean for m in (Metric.PIXCORR, Metric.SSIM_WINDOWS)
    ]
    assert score_pixels(five.seen_pictures, five.painted) == pytest.approx(expected, abs=1e-6)
    assert (five.scores.pixel_r, five.scores.ssim) == pytest.approx(expected, abs=1e-6)


def test_a_mosaic_keeps_every_picture_in_its_place() -> None:
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (7, 3))
    pictures = [np.broadcast_to(c.astype(np.uint8), (90, 90, 3)).copy() for c in colours]
    page = mosaic(pictures)
    for k, colour in enumerate(colours):
        row, column = divmod(k, 3)
        np.testing.assert_array_equal(page[30 * row + 15, 30 * column + 15], colour)
    assert mosaic(pictures[:1]) is pictures[0]
    assert mosaic([]) is None


# --- controls, nearest pictures, words ----------------------------------------------------------


def test_the_shuffled_brain_saw_other_held_out_pictures_as_often(mini, five) -> None:
    w = mini.workspace
    ids = w.table.column("nsd_id")
    drawn = {seed: other_trials(w, five, seed) for seed in (0, 0, 1, 2)}
    for others in drawn.values():
        assert [len(g) for g in others] == [len(g) for g in five.groups]
        seen = {int(i) for g in others for i in ids[g]}
        assert len(seen) == 5 and not seen & set(five.nsd_ids)
        assert seen <= set(w.test_nsd_ids.tolist())
    again = other_trials(w, five, 1)
    assert all(np.array_equal(a, b) for a, b in zip(drawn[1], again, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(drawn[1], drawn[2], strict=True))


def test_controls_bracket_the_reconstruction(mini) -> None:
    w = mini.workspace
    cosines: dict[Control, list[float]] = {}
    own = []
    for trial in shared(mini, 6):
        found = reconstruct(w, trial, True, 0)
        own.append(found.cosine)
        for control in control_pictures(w, found, QUIET):
            assert control.picture is not None and not control.missing
            cosines.setdefault(control.kind, []).append(control.cosine)
    mean = {kind: np.mean(values) for kind, values in cosines.items()}
    assert mean[Control.CEILING] == pytest.approx(1, abs=1e-6)
    assert max(mean[Control.SHUFFLED], mean[Control.MEAN]) < mean[Control.SINGLE] < np.mean(own) < 1


def test_single_and_average_are_each_others_control(mini, one) -> None:
    w = mini.workspace
    by_kind = {c.kind: c for c in control_pictures(w, one, QUIET)}
    alone = reconstruct(w, one.trials[0], False, 0)
    assert alike(by_kind[Control.SINGLE].picture, alone.painted)
    assert by_kind[Control.SINGLE].cosine == pytest.approx(alone.cosine, abs=1e-6)
    average = {c.kind: c for c in control_pictures(w, alone, QUIET)}[Control.AVERAGE]
    assert average.cosine == pytest.approx(one.cosine, abs=1e-6)


def test_the_nearest_pictures_are_the_best_of_all_training_pictures(mini, one) -> None:
    w = mini.workspace
    ids = np.unique(w.decoder().train_ids)
    cosines = w.image_embeddings(ids) @ one.decoded
    found = nearest_pictures(w, one, QUIET, n=4)
    assert [n.cosine for n in found] == pytest.approx(sorted(cosines, reverse=True)[:4], abs=1e-6)
    for near in found:
        assert w.table.column("nsd_id")[near.trial] == near.nsd_id
        assert near.nsd_id in ids and not near.is_seen
        np.testing.assert_array_equal(near.rgb, w.stimuli.read(np.array([near.nsd_id]))[0])


def test_words_name_what_was_seen(mini) -> None:
    w = mini.workspace
    table = w.table
    label = {t: w.stimuli.labels[int(table.column("nsd_id")[t])] for t in shared(mini, 30)}
    fish = next(t for t, (category, _) in label.items() if category == "fish")
    bars = concept_bars(w, reconstruct(w, fish, True, 0), QUIET)
    assert "fish" in [b.word for b in bars]
    values = [b.decoded for b in bars]
    assert values == sorted(values, reverse=True) and all(-1 <= b.true <= 1 for b in bars)


def test_the_average_response_lies_along_no_word(mini) -> None:
    w = mini.workspace
    average = average_decoded(w.decoder())
    assert not away_from(average, average).any()
    state = mini.state.replace(trials=shared(mini, 1), scaling=((w.decoder().header.roi, 0.0),))
    silent = reconstruction_of(w, state)
    assert all(b.decoded == 0 for b in concept_bars(w, silent, QUIET))


def test_every_word_of_the_vocabulary_is_a_concept_of_its_own() -> None:
    from nsdviewer.session.bench_concepts import ConceptBar

    vocabulary = load_vocabulary()
    for word, category in zip(vocabulary.words, vocabulary.categories, strict=True):
        terms = parse_concept(ConceptBar(word, category, 0, 0).expression)
        assert [(t.value, t.weight) for t in terms] == [(word, 1.0)]


# --- damage -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def blind(mini: Subject, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """The same subject without its pictures."""
    root = tmp_path_factory.mktemp("blind")
    for entry in mini.root.iterdir():
        if entry.name != "nsddata_stimuli":
            (root / entry.name).symlink_to(entry)
    state = mini.state.replace(root=str(root), trials=shared(mini, 1))
    return Subject(state, open_workspace(state))


def test_without_pictures_decoding_and_painting_go_on(blind: Subject, one) -> None:
    found = reconstruction_of(blind.workspace, blind.state)
    np.testing.assert_array_equal(found.decoded, one.decoded)
    np.testing.assert_array_equal(found.painted, one.painted)
    assert found.seen is None and "missing" in found.seen_missing
    assert [value for value, _ in found.scores.said()] == ["–"] * 4
    controls = {c.kind: c for c in control_pictures(blind.workspace, found, QUIET)}
    assert controls[Control.SHUFFLED].picture is not None
    for kind in (Control.MEAN, Control.NEAREST, Control.CEILING):
        assert controls[kind].picture is None and "missing" in controls[kind].missing
    bars = concept_bars(blind.workspace, found, QUIET)
    assert bars and all(np.isnan(b.true) for b in bars)


def test_a_subject_without_pictures_opens(blind: Subject, tmp_path: Path) -> None:
    state = first_state(blind.root, QUIET)
    assert state.trials and state.concept
    card = voxel_card(blind.workspace, tuple(blind.workspace.encoder().sites.ijk[0].tolist()))
    assert np.isfinite(card.psc).any()
    # Nothing is fitted here, and nothing can be.
    for entry in blind.root.iterdir():
        if entry.name != ".nsdviewer":
            (tmp_path / entry.name).symlink_to(entry)
    bare = first_state(tmp_path, QUIET)
    assert not bare.trials and not bare.concept
    assert "pictures" in fit_missing(open_workspace(bare), QUIET)


def test_what_is_looked_up_while_the_data_are_away_is_not_kept(blind: Subject, tmp_path) -> None:
    root = tmp_path / "here"
    root.mkdir()
    for entry in blind.root.iterdir():
        (root / entry.name).symlink_to(entry)
    w = open_workspace(blind.state.replace(root=str(root)))
    patch = Patch("mine", Hemisphere.LEFT, (1, 2, 3))
    root.rename(tmp_path / "gone")
    with pytest.raises(RequestError, match="lacks"):
        require_patch(w, patch)
    assert not w.outlines("floc-faces")
    (tmp_path / "gone").rename(root)
    require_patch(w, patch)
    assert w.outlines("floc-faces")


@pytest.mark.parametrize("kind", ["vanished", "of another embedding"])
def test_without_a_generator_everything_but_the_picture_is_there(mini, one, tmp_path, kind) -> None:
    path = tmp_path / "generator.safetensors"
    if kind == "of another embedding":
        tiny_flow(path, "someone else's")
    found = reconstruct(mini.workspace, one.state.trials, True, 0, "", str(path))
    assert found.painted is None and found.painted_missing
    np.testing.assert_array_equal(found.decoded, one.decoded)
    assert found.scores.rank == one.scores.rank
    controls = control_pictures(mini.workspace, found, QUIET)
    assert all(c.missing == found.painted_missing for c in controls if c.kind != Control.NEAREST)
    assert nearest_pictures(mini.workspace, found, QUIET)
    with pytest.raises(RequestError):
        paint_sheet(mini.workspace, found.state, SheetRequest(), QUIET)


@contextmanager
def out_of_memory(network: torch.nn.Module) -> Iterator[None]:
    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    hook = network.register_forward_pre_hook(fail)
    try:
        yield
    finally:
        hook.remove()


def test_a_lack_of_memory_is_one_sentence_and_passes(mini, one) -> None:
    w = mini.workspace
    with out_of_memory(w.painter().network):
        with pytest.raises(RequestError, match=r"memory of the GPU.*smaller generator.*CPU"):
            reconstruct(w, one.state.trials, True, 0)
        with pytest.raises(RequestError, match="memory of the GPU"):
            control_pictures(w, one, QUIET)
    np.testing.assert_array_equal(reconstruct(w, one.state.trials, True, 0).painted, one.painted)


def test_steps_are_shown_and_can_be_stopped(mini, one, tmp_path) -> None:
    generator = str(tiny_flow(tmp_path / "flow.safetensors"))
    shown: list[tuple[float, tuple[int, ...]]] = []
    ticket = Ticket()

    def see(fraction: float, pictures: np.ndarray) -> None:
        shown.append((fraction, pictures.shape))

    reconstruct(mini.workspace, one.state.trials, True, 0, "", generator, ticket, see)
    fractions = [f for f, _ in shown]
    assert len(shown) >= 3 and fractions == sorted(fractions) and 0 < fractions[-1] <= 1
    assert {shape for _, shape in shown} == {(1, 16, 16, 3)}

    def stop(fraction: float, pictures: np.ndarray) -> None:
        shown.append((fraction, pictures.shape))
        ticket.cancel()

    shown.clear()
    with pytest.raises(Cancelled):
        reconstruct(mini.workspace, one.state.trials, True, 0, "", generator, ticket, stop)
    assert len(shown) == 1


# --- sheets -------------------------------------------------------------------------------------


def test_a_sheet_has_a_row_a_picture_and_a_column_a_kind(mini, five) -> None:
    w = mini.workspace
    state: ViewState = five.state
    sheet = paint_sheet(w, state, SheetRequest(SheetTrials.SELECTED, 1, True), QUIET)
    assert sheet.columns == (
        "seen", "reconstructed", "seed 1", "shuffled brain", "nearest training", "true embedding"
    )  # fmt: skip
    assert len(sheet.rows) == 5
    painted = [row.pictures[1] for row in sheet.rows]
    for k, (row, trial) in enumerate(zip(sheet.rows, state.trials, strict=True)):
        alone = reconstruct(w, trial, True, 0)
        np.testing.assert_array_equal(row.pictures[0], alone.seen)
        assert alike(row.pictures[1], alone.painted)
        other = [j for j, p in enumerate(painted) if np.array_equal(p, row.pictures[3])]
        assert len(other) == 1 and other != [k]
    assert "SIMULATED" in sheet.caption and "retrieved" in sheet.caption
    test = paint_sheet(w, state, SheetRequest(SheetTrials.TEST), QUIET)
    assert len(test.rows) == min(40, len(w.test_nsd_ids))


def test_a_sheet_is_written_with_text_as_text(tmp_path) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (20, 20, 3)).astype(np.uint8)
    rows = tuple(SheetRow(f"trial {k}", (picture, None)) for k in range(3))
    sheet = Sheet(("seen", "reconstructed"), rows, "where it comes from " * 12)
    write_sheet(sheet, tmp_path / "sheet.svg", Theme.LIGHT, 2)
    svg = (tmp_path / "sheet.svg").read_text()
    assert ">trial 2</text>" in svg and "where it comes from" in svg and ">seen</text>" in svg
    wide, narrow = (draw_sheet(sheet, Theme.DARK, n) for n in (3, 1))
    assert wide.shape[1] > 2 * narrow.shape[1] and wide.shape[0] < narrow.shape[0]
    with pytest.raises(RequestError, match="none of these"):
        write_sheet(sheet, tmp_path / "sheet.gif")
    with pytest.raises(RequestError, match="choose trials"):
        draw_sheet(Sheet(("seen",), (), ""), Theme.DARK, 1)
