"""One door: bad values never get in, good ones are announced once, and every step can be undone."""

import numpy as np
import pytest

from nsdviewer.data.simulate import load_truth
from nsdviewer.errors import ConceptError, DataError, NsdViewerError
from nsdviewer.session import Session
from nsdviewer.session.concepts import concept_map, direction_of, search_trials, to_vertices
from nsdviewer.session.decoding import decode_groups, decode_trials, reconstruct
from nsdviewer.session.scenes import in_ranges
from nsdviewer.session.voxels import voxel_card
from nsdviewer.state import Reading, ViewState
from tests.conftest import Subject


def test_a_change_is_announced_once(mini: Subject) -> None:
    session = Session(mini.state)
    seen: list[tuple[ViewState, ViewState]] = []
    session.changed.connect(lambda before, after: seen.append((before, after)))
    session.update(concept="tool", seed=3)
    session.update(concept="tool")
    assert len(seen) == 1
    assert seen[0] == (mini.state, session.state)


@pytest.mark.parametrize(
    "change",
    [
        {"trials": (10**6,)},
        {"subject": 5},
        {"root": "/nowhere"},
        {"concept": "animal +"},
        {"voxel": (999, 0, 0)},
        {"roi_collections": ("nowhere",)},
        {"subset": "session:77"},
        {"morph": 3.0},
    ],
)
def test_a_bad_value_leaves_the_state_alone(mini: Subject, change: dict) -> None:
    session = Session(mini.state)
    announced: list[object] = []
    session.changed.connect(lambda *states: announced.append(states))
    with pytest.raises(NsdViewerError):
        session.update(**change)
    assert session.state == mini.state
    assert announced == []


def test_undo_and_redo_walk_the_same_states(mini: Subject) -> None:
    session = Session(mini.state)
    states = [session.state]
    for change in ({"concept": "tool"}, {"morph": 0.0}, {"seed": 9}, {"trials": (5,)}):
        session.update(**change)
        states.append(session.state)
    for state in states[-2::-1]:
        assert session.undo()
        assert session.state == state
    assert not session.undo()
    for state in states[1:]:
        assert session.redo()
        assert session.state == state
    assert not session.redo()


def test_an_opposite_concept_gives_the_opposite_map(mini: Subject) -> None:
    w = mini.workspace
    first, second = (concept_map(w, c, 10.0) for c in ("animal - tool", "tool - animal"))
    np.testing.assert_allclose(first.values, -second.values, atol=1e-5)


def test_the_map_lies_where_the_noise_ceiling_allows(mini: Subject) -> None:
    w = mini.workspace
    shown = concept_map(w, "animal", 20.0)
    ceiling = w.encoder().noise_ceiling
    np.testing.assert_array_equal(shown.shown, np.nan_to_num(ceiling) >= 0.2)
    volume = shown.volume()
    assert np.isfinite(volume).sum() == shown.shown.sum()
    np.testing.assert_array_equal(
        volume[tuple(shown.ijk[shown.shown].T)], shown.values[shown.shown]
    )


def test_the_map_on_the_cortex_is_an_average_of_its_voxels(mini: Subject) -> None:
    w = mini.workspace
    shown = concept_map(w, "animal", 10.0)
    low, high = shown.values[shown.shown].min(), shown.values[shown.shown].max()
    for values in to_vertices(w, shown).values():
        seen = np.isfinite(values)
        assert 0 < seen.sum() < len(values)
        assert low - 1e-4 <= values[seen].min() <= values[seen].max() <= high + 1e-4


def test_the_pattern_follows_the_planted_map_where_weights_do_not(mini: Subject) -> None:
    w = mini.workspace
    truth = load_truth(w.root.path, w.subject)
    planted = np.zeros(w.grid)
    planted[tuple(truth.ijk.T)] = truth.concept_map(direction_of(w, "animal"))
    found = {}
    for reading in Reading:
        shown = concept_map(w, "animal", 10.0, reading)
        where = tuple(shown.ijk[shown.shown].T)
        found[reading] = np.corrcoef(planted[where], shown.values[shown.shown])[0, 1]
        assert shown.reading is reading
    assert found[Reading.ENCODER] > 0.6
    assert found[Reading.PATTERN] > 0.6
    assert found[Reading.DECODER] < found[Reading.PATTERN]


def test_an_unknown_word_is_named(mini: Subject) -> None:
    with pytest.raises(ConceptError, match="xqzzt"):
        concept_map(mini.workspace, "animal - xqzzt", 10.0)


def test_terms_may_be_pictures_trials_and_regions(mini: Subject) -> None:
    w = mini.workspace
    nsd_id = int(w.test_nsd_ids[0])
    for expression in (f"image:{nsd_id}", "trial:7", "roi:PPA", f'0.5*"a dog" - image:{nsd_id}'):
        assert np.isfinite(concept_map(w, expression, 10.0).values).all()


def test_single_trials_and_groups_agree(mini: Subject) -> None:
    w = mini.workspace
    trials = np.array([3, 90, 1400])
    np.testing.assert_allclose(
        decode_trials(w, trials), decode_groups(w, [np.array([t]) for t in trials]), atol=1e-6
    )


def test_averaging_repetitions_helps(mini: Subject) -> None:
    w = mini.workspace
    ids = w.table.column("nsd_id")
    test = w.table.select("shared")
    groups = [test[ids[test] == i] for i in np.unique(ids[test])]
    true = w.image_embeddings(np.unique(ids[test]))
    averaged = (decode_groups(w, groups) * true).sum(1).mean()
    single = (decode_groups(w, [g[:1] for g in groups]) * true).sum(1).mean()
    assert averaged > single


def test_a_reconstruction_says_whether_its_picture_was_trained_on(mini: Subject) -> None:
    w = mini.workspace
    held_out = reconstruct(w, int(w.table.select("shared")[0]), True, 0)
    trained = reconstruct(w, int(w.table.select("train")[0]), False, 0)
    assert not held_out.in_training
    assert trained.in_training
    assert len(held_out.trials) == 3
    assert len(trained.trials) == 1
    assert held_out.seen.shape == (425, 425, 3)
    assert 1 <= held_out.rank <= held_out.n_candidates == len(w.test_nsd_ids)


def test_search_puts_fitting_pictures_first(mini: Subject) -> None:
    w = mini.workspace
    trials = w.table.select("shared")
    labels = w.stimuli.labels
    ids = w.table.column("nsd_id")
    best = search_trials(w, "fish", trials)[:9]
    assert np.mean([labels[int(ids[t])][0] == "fish" for t in best]) > 0.6


def test_a_voxel_card_holds_the_voxels_own_betas(mini: Subject) -> None:
    w = mini.workspace
    encoder = w.encoder()
    best = int(np.nanargmax(encoder.noise_ceiling))
    ijk = tuple(int(v) for v in encoder.sites.ijk[best])
    card = voxel_card(w, ijk)
    betas = w.betas(encoder.header.roi)
    np.testing.assert_array_equal(card.psc, betas.psc(card.trials)[:, best])
    assert card.noise_ceiling == pytest.approx(float(encoder.noise_ceiling[best]))
    assert "nsdgeneral" in card.rois
    ids = w.table.column("nsd_id")[card.trials]
    means = {i: np.nanmean(card.psc[ids == i]) for i in np.unique(ids)}
    assert int(card.best_nsd_ids[0]) == max(means, key=means.get)


def test_a_folder_that_is_no_root_is_named(tmp_path) -> None:
    with pytest.raises(DataError, match="nsddata"):
        Session(ViewState(root=str(tmp_path)))


def test_sessions_are_told_with_their_gaps() -> None:
    assert in_ranges((1, 2, 3)) == "1–3"
    assert in_ranges((1, 3, 4, 7)) == "1, 3–4, 7"
    assert in_ranges((2,)) == "2"
