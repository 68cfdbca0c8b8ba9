"""Bars with intervals, tests that are kept, and why some cannot be had."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from nsdviewer.data.regions.ctab import table_paths
from nsdviewer.errors import Cancelled
from nsdviewer.jobs import SilentProgress, Ticket
from nsdviewer.mapping.statistics.bootstrap import roi_intervals
from nsdviewer.scheduling import InProcess
from nsdviewer.session import evidence, open_workspace, tested_maps
from nsdviewer.session.concept_help import concept_words
from nsdviewer.session.concepts import concept_map
from nsdviewer.session.evidence import MapRequest
from nsdviewer.session.map_regions import map_regions, roi_bars
from nsdviewer.session.possible import why_not
from nsdviewer.session.region_intervals import intervals_of, region_places
from nsdviewer.session.tested_maps import TestedMap, kept_test
from nsdviewer.state import USUAL_COLLECTIONS, Null, Reading

RUN = (InProcess(), SilentProgress())


@pytest.fixture(scope="module")
def shown(mini):
    state = mini.state.replace(concept="animal - tool", statistic="fdr:0.05")
    return state, concept_map(mini.workspace, state.concept, state.noise_ceiling_floor_pct)


@pytest.fixture(scope="module")
def found(mini, shown):
    state, shown_map = shown
    return intervals_of(mini.workspace, state, shown_map, *RUN)


def test_bars_stand_within_their_intervals(found, shown):
    assert found.why == "" and len(found.bars) > 10 and found.belongs_to(shown[0])
    for bar in found.bars:
        low, high = bar.interval_psc
        assert low <= bar.mean_psc <= high and bar.sem_psc > 0 and bar.n_voxels >= 3


def test_leaving_out_sites_of_no_region_changes_no_interval(mini, found, shown):
    state, shown_map = shown
    request = MapRequest.of(state)
    whole = evidence.what_is_tested(mini.workspace, request, shown_map)
    encoder = mini.workspace.encoder()
    sets = {
        region.name: np.flatnonzero(region.inside[whole.columns])
        for region in map_regions(mini.workspace, shown_map.sites)[0]
    }
    expected = roi_intervals(
        evidence.in_psc(whole, encoder), whole.embeddings, whole.direction,
        evidence.tested_alphas(encoder, whole.columns), whole.n_repeats, sets, request.seed, *RUN,
        found.level, n_draws=100,
    )  # fmt: skip
    for bar in found.bars:
        roi = expected[bar.name]
        assert bar.n_voxels == roi.n_sites
        np.testing.assert_allclose(
            (bar.mean_psc, *bar.interval_psc), (roi.estimate, roi.lower, roi.upper), rtol=1e-3,
            atol=1e-4,
        )  # fmt: skip


def test_peaks_are_the_largest_reliable_voxels_of_their_regions(mini, shown):
    shown_map = shown[1]
    grid = shown_map.on_grid(np.where(shown_map.reliable, shown_map.values, np.nan))
    asked = (*USUAL_COLLECTIONS, "Kastner2015")
    places = region_places(mini.workspace, shown_map, asked)
    assert {place.collection for place in places} == set(asked)
    for place in places:
        inside = mini.workspace.reader.mask(place.name, mini.workspace.space)
        assert inside[place.peak]
        assert abs(grid[place.peak]) == pytest.approx(np.nanmax(np.abs(grid[inside])))


def test_a_region_bears_its_collection_where_another_has_one_of_its_name(mini, shown):
    sites = shown[1].sites
    for asked in (("Kastner2015",), ("Kastner2015", "prf-visualrois")):
        regions, faults = map_regions(mini.workspace, sites, asked)
        assert not faults and len({region.name for region in regions}) == len(regions)
        assert {r.name for r in regions if r.label in ("V1v", "hMT")} == {
            "Kastner2015:V1v", "hMT", *(("V1v",) if len(asked) > 1 else ()),
        }  # fmt: skip
        for region in regions:
            mask = mini.workspace.reader.mask(region.name, mini.workspace.space)
            assert (mask[tuple(sites.ijk.T)] == region.inside).all()


def test_labels_that_share_a_name_are_one_region(mini, shown):
    files, space = mini.workspace.files, mini.workspace.space
    source = files.roi(space, "streams")
    volume, table = source.with_name("twice.nii.gz"), table_paths(files, "twice")[0]
    shutil.copy(source, volume)
    table.write_text("0 Unknown\n1 same\n2 other\n3 same\n", encoding="utf-8")
    try:
        regions, _ = map_regions(open_workspace(shown[0]), shown[1].sites, ("twice",))
    finally:
        volume.unlink()
        table.unlink()
    streams = {
        r.label: r.inside for r in map_regions(mini.workspace, shown[1].sites, ("streams",))[0]
    }
    got = {region.label: region.inside for region in regions}
    assert (got["same"] == (streams["early"] | streams["midlateral"])).all() and got["same"].any()
    assert (got["other"] == streams["midventral"]).all()


def test_collections_that_are_chosen_have_bars_in_their_order(mini, shown):
    asked = ("streams", "nowhere", "floc-places", "streams")
    found = roi_bars(mini.workspace, shown[1], asked)
    assert list(dict.fromkeys(b.collection for b in found.bars)) == ["streams", "floc-places"]
    assert len(found.faults) == 1 and "'nowhere'" in found.faults[0]
    assert "streams" in found.faults[0]
    assert roi_bars(mini.workspace, shown[1], ()).bars == ()


def test_a_collection_that_is_added_is_measured_alone_and_as_if_with_the_others(mini, found, shown):
    state, shown_map = shown
    asked = ("Kastner2015", *USUAL_COLLECTIONS[:2])
    wanted = state.replace(bar_collections=asked)
    assert not found.belongs_to(wanted)
    added = intervals_of(mini.workspace, wanted, shown_map, *RUN, found)
    assert added.belongs_to(wanted) and added.belongs_to(state)
    assert all(bar in added.bars for bar in found.bars), "what was known is measured again"
    alone = intervals_of(mini.workspace, wanted, shown_map, *RUN)
    here, there = (
        roi_bars(mini.workspace, shown_map, asked, each.bars).bars for each in (added, alone)
    )
    assert [b.name for b in here] == [b.name for b in there] and "Kastner2015:V1v" in (
        b.name for b in here
    )
    np.testing.assert_allclose(
        [(b.mean_psc, *b.interval_psc) for b in here],
        [(b.mean_psc, *b.interval_psc) for b in there],
        rtol=1e-3, atol=1e-4,
    )  # fmt: skip


@pytest.mark.parametrize("reading", [Reading.DECODER, Reading.PATTERN])
def test_other_readings_say_why_they_have_none(mini, reading):
    state = mini.state.replace(concept="animal", reading=reading)
    shown_map = concept_map(mini.workspace, "animal", 10.0, reading)
    got = intervals_of(mini.workspace, state, shown_map, *RUN)
    assert got.bars == () and reading.value in got.why and got.places


def test_no_reliable_voxel_is_a_reason_and_no_error(mini):
    state = mini.state.replace(concept="animal", noise_ceiling_floor_pct=99.9)
    shown_map = concept_map(mini.workspace, "animal", 99.9)
    got = intervals_of(mini.workspace, state, shown_map, *RUN)
    assert got.bars == () and "noise ceiling" in got.why


def test_cancelling_stops_the_resampling(mini, shown):
    ticket = Ticket()
    ticket.cancel()
    with pytest.raises(Cancelled):
        intervals_of(mini.workspace, *shown, InProcess(), ticket)


def test_the_same_test_is_made_once_and_only_the_last_ones_are_kept(mini):
    request = MapRequest("animal", statistic="p:0.05", n_draws=20)
    first = kept_test(mini.workspace, request, *RUN)
    assert first is kept_test(mini.workspace, request, *RUN)
    direct = evidence.tested_map(mini.workspace, request, *RUN)
    np.testing.assert_array_equal(first.map.shown, direct.shown)
    for seed in range(1, 9):
        kept_test(mini.workspace, replace(request, seed=seed), *RUN)
    assert first is not kept_test(mini.workspace, request, *RUN)


def test_a_tested_map_knows_the_state_it_belongs_to(mini):
    state = mini.state.replace(concept="dog", statistic="fwe:0.05")
    tested = TestedMap(MapRequest.of(state), None)
    assert tested.belongs_to(state) and tested.belongs_to(state.replace(morph=0.0))
    assert not tested.belongs_to(state.replace(concept="cat"))
    assert not tested.belongs_to(state.replace(null=Null.IMAGES))
    assert "1,000 permutations" in tested_maps.testing_words(mini.workspace, MapRequest.of(state))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"statistic": "fdr:0.05", "null": Null.DIRECTIONS}, ""),
        ({"statistic": "ci:0.9"}, ""),
        ({"statistic": "ci:0.9", "null": Null.IMAGES}, "no null hypothesis"),
        ({"statistic": "often"}, "is no threshold"),
        ({"statistic": "fwe:0.0001"}, "ask for 9999"),
        ({"reading": Reading.PATTERN, "statistic": "fdr:0.05"}, ""),
        ({"reading": Reading.PATTERN, "statistic": "ci:0.9"}, "permuting pictures only"),
        (
            {"reading": Reading.DECODER, "statistic": "p:0.01", "null": Null.PARTIAL},
            "pictures only",
        ),
        ({"reading": Reading.DECODER, "decoder_path": "/no/such"}, "/no/such"),
        ({"encoder_path": "/no/such"}, "/no/such"),
    ],
)
def test_what_cannot_be_tested_is_said_before_it_is_tried(mini, changes, words):
    why = why_not(mini.workspace, MapRequest("animal", **changes))
    assert words in why and bool(why) == bool(words)


def test_words_for_completion_are_phrases_and_regions(mini):
    words = concept_words(mini.workspace)
    assert {"dog", "hot dog"} & set(words.phrases) and len(set(words.phrases)) == len(words.phrases)
    assert {"FFA-1", "V1v", "floc-faces"} <= set(words.regions)
