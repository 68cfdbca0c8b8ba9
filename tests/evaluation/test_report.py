"""From reconstructions to a report: complete, honest, the same for a seed, and one page alone."""

import dataclasses
import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import models

from nsdviewer.errors import Cancelled, DataError, RequestError
from nsdviewer.evaluation.catalogue import ConditionKind as Kind
from nsdviewer.evaluation.catalogue import Metric
from nsdviewer.evaluation.conditions import (
    BrainResponses,
    Condition,
    EmbeddingAtHand,
    TestPictures,
)
from nsdviewer.evaluation.controls import Verdict, mean_embedding, nearest_training, true_embedding
from nsdviewer.evaluation.documents import from_document, read_report, to_document
from nsdviewer.evaluation.evaluate import evaluate
from nsdviewer.evaluation.networks import feature_networks
from nsdviewer.evaluation.pictures import ArrayPictures
from nsdviewer.evaluation.protocol import Protocol, Split, SplitCheck, check_split
from nsdviewer.evaluation.published import SYSTEMS
from nsdviewer.evaluation.report import Figure, Report
from nsdviewer.evaluation.scores import NotComputed
from nsdviewer.evaluation.writing import render_html, render_markdown, write_report

N, SIDE = 10, 24
TITLE = "Blocks (6×6 <b>& more</b>), not CLIP"


def encode(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Colours of a coarse grid, as unit vectors."""
    coarse = [Image.fromarray(p).resize((6, 6), Image.Resampling.BOX) for p in pictures]
    rows = [np.asarray(p, np.float32).ravel() - 127.5 for p in coarse]
    stacked = np.stack(rows)
    return stacked / np.linalg.norm(stacked, axis=1, keepdims=True)


def paint(embeddings: np.ndarray) -> np.ndarray:
    grid = np.clip(127.5 + 600 * embeddings, 0, 255).reshape(len(embeddings), 6, 6, 3)
    return grid.repeat(4, axis=1).repeat(4, axis=2).astype(np.uint8)


def pictures(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (n, 6, 6, 3), dtype=np.uint8)
    return coarse.repeat(SIDE // 6, axis=1).repeat(SIDE // 6, axis=2)


SEEN, TRAINING = pictures(N, 0), pictures(30, 1)
TRUE, TRAIN_E = encode(list(SEEN)), encode(list(TRAINING))
IDS = np.arange(N) * 7 + 3
TEST = TestPictures(IDS, ArrayPictures(SEEN), TRUE)
CHECK = check_split(np.arange(500, 600), np.repeat(IDS, 3), np.arange(500, 600))
PROTOCOL = Protocol(
    2, Split.FULL_40, "1.8 mm", "fithrf_GLMdenoise_RR", "nsdgeneral", 100, 100, 3 * N, CHECK, True
)
EMBEDDING = EmbeddingAtHand(TITLE, encode)


def decoded(noise: float, kind: Kind, seed: int = 0) -> Condition:
    rng = np.random.default_rng([seed, 9])
    vectors = (TRUE + noise * rng.standard_normal(TRUE.shape)).astype(np.float32)
    return Condition(kind, vectors, ArrayPictures(paint(vectors)))


def conditions() -> list[Condition]:
    averaged = decoded(0.03, Kind.AVERAGED)
    assert averaged.embeddings is not None
    return [
        averaged,
        decoded(0.1, Kind.SINGLE, 1),
        mean_embedding(TRAIN_E, N, paint),
        nearest_training(averaged.embeddings, TRAIN_E, ArrayPictures(TRAINING)),
        true_embedding(TRUE, paint),
    ]


@pytest.fixture(scope="module")
def report() -> Report:
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((TRUE.shape[1], 40)).astype(np.float32)
    brain = BrainResponses(
        TRUE @ weights, lambda e: e @ weights, {"V1": np.arange(40) < 25, "V4": np.arange(40) > 24}
    )
    return evaluate(
        TEST,
        conditions(),
        PROTOCOL,
        EMBEDDING,
        feature_networks(Path("no-such-folder")),
        brain,
        models={"decoder": {"model": "ridge", "roi": "nsdgeneral", "scores": {"r2": float("nan")}}},
        seed=3,
    )


def figure(report: Report, kind: Kind, metric: Metric) -> Figure:
    cell = report.cells[kind][metric.value]
    assert isinstance(cell, Figure), cell
    return cell


def test_every_condition_has_every_metric_or_a_reason(report: Report) -> None:
    assert set(report.cells) == set(Kind)
    keys = [m.key for m in report.metrics]
    assert {m.value for m in Metric} < set(keys)
    for row in report.cells.values():
        assert list(row) == keys
        for cell in row.values():
            if isinstance(cell, NotComputed):
                assert cell.reason.endswith(".")
            else:
                assert len(cell.per_item) == N


def test_perfect_reconstructions_score_one() -> None:
    perfect = Condition(Kind.AVERAGED, TRUE, ArrayPictures(SEEN))
    found = evaluate(TEST, [perfect], PROTOCOL, EMBEDDING)
    for metric in (
        Metric.PIXCORR,
        Metric.SSIM_COLUMNS,
        Metric.SSIM_WINDOWS,
        Metric.OWN_PICTURES,
        Metric.OWN_DECODED,
        Metric.IMAGE_RETRIEVAL,
        Metric.BRAIN_RETRIEVAL,
    ):
        assert figure(found, Kind.AVERAGED, metric).mean == pytest.approx(1, abs=1e-6)
    assert found.verdict is Verdict.AT_CHANCE


def test_conditions_are_ordered_as_they_were_planted(report: Report) -> None:
    means = {kind: figure(report, kind, Metric.PIXCORR).mean for kind in Kind}
    assert means[Kind.CEILING] > means[Kind.AVERAGED] > means[Kind.SINGLE]
    assert means[Kind.SINGLE] > means[Kind.SHUFFLED]
    assert len(report.chance_checks) == 4
    for check in report.chance_checks:
        assert check.value == report.cells[Kind.SHUFFLED][check.metric].mean  # type: ignore[union-attr]
        assert check.low <= check.value <= check.high < 1
    assert report.verdict is Verdict.AT_CHANCE


def test_brain_correlation_of_perfect_vectors_is_that_of_the_encoder(report: Report) -> None:
    for roi in ("V1", "V4"):
        ceiling = report.cells[Kind.CEILING][f"brain_correlation:{roi}"]
        single = report.cells[Kind.SINGLE][f"brain_correlation:{roi}"]
        assert isinstance(ceiling, Figure) and isinstance(single, Figure)
        assert ceiling.mean > 0.95 > single.mean


def turned(condition: Condition, order: np.ndarray) -> Condition:
    assert condition.embeddings is not None and condition.pictures is not None
    made = [condition.pictures.read(order[k : k + 1])[0] for k in range(N)]
    return Condition(
        condition.kind, condition.embeddings[order], ArrayPictures(made), condition.how
    )


def test_the_order_of_pictures_changes_nothing(report: Report) -> None:
    order = np.random.default_rng(5).permutation(N)
    test = TestPictures(IDS[order], ArrayPictures(SEEN[order]), TRUE[order])
    found = evaluate(
        test, [turned(c, order) for c in conditions()[:1]], PROTOCOL, EMBEDDING, seed=3
    )
    for kind in (Kind.AVERAGED, Kind.SHUFFLED):
        for metric in (Metric.PIXCORR, Metric.OWN_PICTURES, Metric.IMAGE_RETRIEVAL):
            assert figure(found, kind, metric) == figure(report, kind, metric)


def test_the_same_seed_gives_the_same_report_and_another_does_not() -> None:
    alone = [dataclasses.replace(conditions()[1], pictures=None)]
    first = evaluate(TEST, alone, PROTOCOL, EMBEDDING, seed=3)
    assert evaluate(TEST, alone, PROTOCOL, EMBEDDING, seed=3) == first
    assert evaluate(TEST, alone, PROTOCOL, EMBEDDING, seed=4).cells != first.cells


def test_a_pool_below_300_says_so(report: Report) -> None:
    info = next(m for m in report.metrics if m.key == Metric.IMAGE_RETRIEVAL.value)
    assert f"top 1 of {N}" in info.title
    assert "not 300" in info.note
    assert info.chance == 1 / N


def test_json_there_and_back_is_the_same_report(report: Report, tmp_path: Path) -> None:
    path, _, _ = write_report(report, tmp_path)
    assert read_report(path) == report
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["simulated"] is True
    assert document["embedding"] == TITLE
    assert document["shuffled_control"]["verdict"] == "at chance"
    assert len(document["figures"]["averaged"]["pixcorr"]["per_item"]) == N
    assert document["figures"]["averaged"]["clip"]["not_computed"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "nsdviewer-evaluation"}'])
def test_what_is_no_report_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError):
        read_report(tmp_path / "report.json")


def test_a_report_with_a_part_missing_is_damaged(report: Report) -> None:
    document = to_document(report)
    del document["figures"]
    with pytest.raises(DataError, match="damaged"):
        from_document(document)


class Page(HTMLParser):
    """What a page loads, whether its tags close, and what it says."""

    VOID = {"meta", "img", "br", "link", "hr"}

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.tags: set[str] = set()
        self.ids: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "data", "action", "poster", "srcset"):
                self.loads.append(value or "")
            if name == "id":
                self.ids.add(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read_page(report: Report) -> Page:
    page = Page()
    page.feed(render_html(report))
    page.close()
    return page


def test_the_page_parses_and_loads_nothing(report: Report) -> None:
    html, page = render_html(report), read_page(report)
    assert page.open == []
    assert "script" not in page.tags and "link" not in page.tags
    for load in page.loads:
        assert load.startswith(("data:image/jpeg;base64,", "#"))
        assert not load.startswith("#") or load[1:] in page.ids
    assert "http" not in html and "url(" not in html and "@import" not in html
    assert "prefers-color-scheme: dark" in html and "@media print" in html
    n_pictures = sum(1 for load in page.loads if load.startswith("data:"))
    assert n_pictures == len(report.samples) * (1 + len(Kind))


def test_page_and_markdown_hold_every_metric_reason_and_published_figure(report: Report) -> None:
    page = " ".join(read_page(report).text.split())
    markdown = re.sub(r"\\(.)", r"\1", render_markdown(report))
    for said in (page, markdown):
        for metric in report.metrics:
            assert metric.title in said
            assert metric.definition in said
        for row in report.cells.values():
            for cell in row.values():
                if isinstance(cell, NotComputed):
                    assert cell.reason in said
        for system in SYSTEMS:
            assert system.name in said
        assert "96.1" in said and "0.322" in said
        assert "SIMULATED" in said
        assert "none of its figures can be compared" in said
        assert "at chance" in said and "nothing is decoded anew" in said
        assert TITLE in said
        assert "not standardised" in said


def test_a_title_cannot_smuggle_a_tag_into_the_page(report: Report) -> None:
    assert "<b>" not in render_html(report)
    assert "&lt;b&gt;" in render_html(report)


def test_shuffled_brains_that_know_the_picture_are_shouted_about() -> None:
    cheat = dataclasses.replace(decoded(0.01, Kind.AVERAGED), kind=Kind.SHUFFLED)
    found = evaluate(TEST, [conditions()[0], cheat], PROTOCOL, EMBEDDING)
    assert found.verdict is Verdict.ABOVE
    assert found.is_leak_suspected
    assert "SHUFFLED BRAINS SCORE ABOVE CHANCE" in read_page(found).text
    assert "SHUFFLED BRAINS SCORE ABOVE CHANCE" in render_markdown(found)


def test_a_leaking_split_is_shouted_about(report: Report) -> None:
    leak = check_split(np.append(np.arange(500, 600), IDS[0]), IDS, None)
    protocol = dataclasses.replace(report.protocol, check=leak)
    leaking = dataclasses.replace(report, protocol=protocol)
    assert leaking.is_leak_suspected
    assert "LEAK" in read_page(leaking).text
    assert "**LEAK" in render_markdown(leaking)
    assert "None of 100 training trials" in render_markdown(report)
    assert "None of 100 training trials" not in render_markdown(leaking)


def test_an_unchecked_split_is_called_so(report: Report) -> None:
    protocol = dataclasses.replace(report.protocol, check=SplitCheck(()))
    unchecked = dataclasses.replace(report, protocol=protocol)
    for said in (read_page(unchecked).text, render_markdown(unchecked)):
        assert "not checked for leaks" in said
    assert "not checked for leaks" not in render_markdown(report)


def test_networks_run_where_their_weights_lie_and_other_weights_are_labelled(
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    torch.save(models.alexnet(weights=None).state_dict(), tmp_path / "alexnet-owt-7be5be79.pth")
    perfect = Condition(Kind.AVERAGED, TRUE, ArrayPictures(SEEN))
    found = evaluate(TEST, [perfect], PROTOCOL, EMBEDDING, feature_networks(tmp_path)[:1])
    assert figure(found, Kind.AVERAGED, Metric.ALEXNET_2).mean == 1
    assert figure(found, Kind.AVERAGED, Metric.ALEXNET_5).mean == 1
    info = next(m for m in found.metrics if m.key == Metric.ALEXNET_2.value)
    assert "other weights" in info.title and "NOT the published" in info.note
    assert isinstance(found.cells[Kind.AVERAGED][Metric.SWAV.value], NotComputed)


def test_identical_reconstructions_of_one_colour_are_named_and_no_crash(tmp_path: Path) -> None:
    grey = Condition(Kind.AVERAGED, np.zeros_like(TRUE), ArrayPictures(np.full((N, 8, 8), 99)))
    grey = dataclasses.replace(grey, pictures=ArrayPictures(np.full((N, 8, 8), 99, np.uint8)))
    found = evaluate(TEST, [grey], PROTOCOL, EmbeddingAtHand("nothing"))
    row = found.cells[Kind.AVERAGED]
    for metric in (Metric.PIXCORR, Metric.OWN_DECODED, Metric.IMAGE_RETRIEVAL):
        cell = row[metric.value]
        assert isinstance(cell, NotComputed) and "Undefined" in cell.reason
    assert found.verdict is Verdict.NOT_CHECKED
    write_report(found, tmp_path)


def test_two_pictures_of_unlike_sizes_one_grey_are_enough(tmp_path: Path) -> None:
    seen = ArrayPictures([SEEN[0], SEEN[1][:, :, 0]])
    made = ArrayPictures([np.asarray(SEEN[0][:12]), SEEN[1] / 255])
    test = TestPictures(IDS[:2], seen, TRUE[:2])
    found = evaluate(test, [Condition(Kind.SINGLE, TRUE[:2], made)], PROTOCOL, EMBEDDING)
    assert found.verdict is Verdict.TOO_FEW
    assert Kind.AVERAGED in found.absent
    assert "too few" in read_page(found).text
    write_report(found, tmp_path)


def test_vectors_with_nan_are_left_out_and_counted(tmp_path: Path) -> None:
    broken = decoded(0.03, Kind.AVERAGED)
    assert broken.embeddings is not None
    broken.embeddings[2] = np.nan
    found = evaluate(TEST, [broken], PROTOCOL, EMBEDDING)
    cell = figure(found, Kind.AVERAGED, Metric.IMAGE_RETRIEVAL)
    assert cell.n_undefined == 1
    assert f"pool of {N - 1}" in cell.note
    assert any("hold NaN" in note for note in found.notes)
    path, _, _ = write_report(found, tmp_path)
    assert read_report(path) == found


def test_vectors_alone_are_scored_and_their_missing_pictures_named() -> None:
    alone = dataclasses.replace(decoded(0.03, Kind.AVERAGED), pictures=None)
    found = evaluate(TEST, [alone], PROTOCOL, EMBEDDING)
    assert figure(found, Kind.AVERAGED, Metric.OWN_DECODED).mean > 0.9
    assert isinstance(found.cells[Kind.AVERAGED][Metric.PIXCORR.value], NotComputed)
    assert found.samples == ()
    read_page(found)


def test_mismatches_are_refused_in_a_sentence() -> None:
    short = Condition(Kind.AVERAGED, TRUE[:5], ArrayPictures(SEEN[:5]))
    with pytest.raises(RequestError, match=f"{N} test picture ids but 5"):
        evaluate(TEST, [short], PROTOCOL, EMBEDDING)
    narrow = Condition(Kind.AVERAGED, TRUE[:, :9], None)
    with pytest.raises(RequestError, match="one embedding"):
        evaluate(TEST, [narrow], PROTOCOL, EMBEDDING)
    twice = TestPictures(np.zeros(N, np.int64), ArrayPictures(SEEN), TRUE)
    with pytest.raises(RequestError, match="listed 10 times"):
        evaluate(twice, [], PROTOCOL, EMBEDDING)
    one = TestPictures(IDS[:1], ArrayPictures(SEEN[:1]), TRUE[:1])
    with pytest.raises(RequestError, match="two or more"):
        evaluate(one, [], PROTOCOL, EMBEDDING)
    same = decoded(0.1, Kind.SINGLE)
    with pytest.raises(RequestError, match="twice"):
        evaluate(TEST, [same, same], PROTOCOL, EMBEDDING)
    masks = BrainResponses(np.zeros((N, 4), np.float32), lambda e: e, {"V1": np.ones(3, bool)})
    with pytest.raises(RequestError, match="V1 has 3 voxels"):
        evaluate(TEST, [], PROTOCOL, EMBEDDING, brain=masks)


def test_files_are_written_together_or_not_at_all(
    report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_report(report, tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert set(before) == {"report.json", "report.md", "report.html"}
    write = Path.write_text

    def fails_at_html(self: Path, text: str, **options: str) -> int:
        if self.suffix == ".html":
            raise OSError("no space left on device")
        return write(self, text, **options)

    monkeypatch.setattr(Path, "write_text", fails_at_html)
    with pytest.raises(OSError, match="no space"):
        write_report(dataclasses.replace(report, seed=99), tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_progress_ends_and_can_be_cancelled() -> None:
    class Listening:
        def __init__(self, stop_at: float) -> None:
            self.heard: list[float] = []
            self.stop_at = stop_at

        def report(self, fraction: float, message: str = "") -> None:
            self.heard.append(fraction)
            if fraction >= self.stop_at:
                raise Cancelled(message)

    whole = Listening(2)
    made, networks = conditions()[:1], feature_networks(Path("no"))
    evaluate(TEST, made, PROTOCOL, EMBEDDING, networks, progress=whole)
    assert whole.heard == sorted(whole.heard)
    assert whole.heard[-1] == 1
    with pytest.raises(Cancelled):
        evaluate(TEST, made, PROTOCOL, EMBEDDING, networks, progress=Listening(0.1))
