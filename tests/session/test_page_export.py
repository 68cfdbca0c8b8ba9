"""A composed figure is exact, says where it comes from, and can be made again from itself."""

import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader

from nsdviewer.errors import Cancelled, DataWarning, RequestError
from nsdviewer.rendering.figure_notes import read_noted
from nsdviewer.rendering.page import PageDrawing, panel_boxes, require_writable, write_page
from nsdviewer.rendering.page_panels import Pictures
from nsdviewer.session.dropped import DroppedKind, classify
from nsdviewer.session.page_export import (
    Workspaces,
    draw_panel_picture,
    drawing_of_page,
    drawing_of_panel,
    export_page,
)
from nsdviewer.session.page_presets import view_from
from nsdviewer.session.session_file import SessionDocument
from nsdviewer.state import CONCEPT, DocumentKind, LayerChoice, Page, Panel, PanelKind, Theme
from tests.conftest import Subject
from tests.figure_files import (
    SVG,
    box_of_svg_group,
    images_of_pdf,
    images_of_svg,
    text_of_svg,
)

DPI = 130
TITLE = "A $title$ & <tags> ü"


def panel(kind: str, x: float, y: float, width: float, height: float, letter: str = "", title: str = "",
          **changes) -> Panel:  # fmt: skip
    return Panel(
        PanelKind(kind), x, y, width, height, letter, title, tuple(sorted(changes.items()))
    )


@pytest.fixture(scope="module")
def page(mini: Subject) -> Page:
    """Every kind of panel, outlines and borders, two concepts, odd places."""
    state = mini.state.replace(
        theme=Theme.LIGHT,
        noise_ceiling_floor_pct=0.0,
        layers=(LayerChoice(CONCEPT, threshold=1.0),),
    )
    panels = (
        panel("cortex", 3.3, 2.1, 71.7, 50.0, "a", TITLE),
        panel("cortex", 80, 2, 60, 50, "b", "tool", concept="tool", hemispheres="lh",
              camera=view_from((-1, 0, 0), (0, 0, 1))),
        panel("colour-bar", 3, 54, 60, 9.5),
        panel("colour-bar", 143, 5, 15, 40),
        panel("slices", 3, 66, 90, 40, "c"),
        panel("pictures", 96, 66, 50, 40, "d"),
        panel("bars", 3, 110, 60, 45, "e"),
        panel("sheet", 66, 110, 60, 45, "f", trials=[0, 1]),
        panel("text", 130, 110, 26, 20, "", "Words that are wrapped into lines"),
        panel("voxel", 3, 158, 110, 72, "g"),
    )  # fmt: skip
    return Page(state, panels, width_mm=160.0, height_mm=240.3, dpi=DPI)


@pytest.fixture(scope="module")
def workspaces(mini: Subject) -> Workspaces:
    return Workspaces(lambda state: mini.workspace)


@pytest.fixture(scope="module")
def drawing(workspaces: Workspaces, page: Page) -> PageDrawing:
    return drawing_of_page(workspaces, page)


@pytest.fixture(scope="module")
def files(drawing: PageDrawing, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("a page's files ü")
    found = {suffix: folder / f"page{suffix}" for suffix in (".png", ".svg", ".pdf")}
    for path in found.values():
        write_page(drawing, path)
    return found


def test_a_page_has_its_size(files: dict[str, Path], page: Page) -> None:
    with Image.open(files[".png"]) as picture:
        # As the file says it, not as the pixels would at the page's dpi.
        for n, per_inch, mm in zip(
            picture.size, picture.info["dpi"], (page.width_mm, page.height_mm), strict=True
        ):
            assert n / per_inch * 25.4 == pytest.approx(mm, abs=0.1)
            assert n == round(mm / 25.4 * DPI)
    head = ET.parse(files[".svg"]).getroot()
    for name, mm in (("width", page.width_mm), ("height", page.height_mm)):
        assert head.get(name).endswith("mm")
        assert float(head.get(name)[:-2]) == pytest.approx(mm, abs=0.01)
    box = PdfReader(files[".pdf"]).pages[0].mediabox
    assert float(box.width) / 72 * 25.4 == pytest.approx(page.width_mm, abs=0.01)
    assert float(box.height) / 72 * 25.4 == pytest.approx(page.height_mm, abs=0.01)


def test_panels_stand_where_the_page_says(files: dict[str, Path], page: Page) -> None:
    for k, box in enumerate(panel_boxes(page)):
        drawn = box_of_svg_group(files[".svg"], f"panel-{k + 1}")
        assert drawn == pytest.approx((box.x, box.y, box.width, box.height), abs=0.05)


def test_pictures_have_the_asked_dpi(files: dict[str, Path], page: Page) -> None:
    for drawn in (images_of_pdf(files[".pdf"]), images_of_svg(files[".svg"])):
        # Two cortices, two scales, three slices, seen and painted, two rows of two, and the card's.
        assert len(drawn) >= 2 + 2 + 3 + 2 + 4
        for image in drawn:
            assert image.dpi == pytest.approx((DPI, DPI), rel=0.002), image
        for k in (0, 1):
            box, image = panel_boxes(page)[k], drawn[k]
            # It fills its panel's width but for a pixel, and stays inside.
            assert box.x - 0.05 <= image.x and image.x + image.width <= box.right + 0.05 + 0.2
            assert image.width > box.width - 2 * 25.4 / DPI
            assert image.y + image.height <= box.bottom + 0.01


def test_text_is_text(files: dict[str, Path], page: Page) -> None:
    words = text_of_svg(files[".svg"])
    pages = PdfReader(files[".pdf"]).pages[0]
    said = pages.extract_text()
    for text in (TITLE, *"abcdefg", "seen", "reconstructed", "coronal", "% signal change per unit"):
        assert text in words and text in said, text
    assert "SIMULATED data" in " ".join(words)
    for font in pages["/Resources"]["/Font"].values():
        # Letters that can be searched and edited, not their outlines.
        assert font["/Subtype"] in ("/Type0", "/TrueType") and "/ToUnicode" in font


def test_outlines_borders_and_cursor_are_paths(files: dict[str, Path]) -> None:
    groups = {e.get("id"): e for e in ET.parse(files[".svg"]).getroot().iter() if e.get("id")}
    lines = [f"panel-{n}-{kind}" for n in (1, 2) for kind in ("outlines", "borders")]
    lines += [f"panel-5-slice-{n}-{kind}" for n in (1, 2, 3) for kind in ("borders", "cursor")]
    for name in lines:
        drawn = [p.get("d") for p in groups[name].iter(f"{SVG}path")]
        assert len(drawn) == 1 and drawn[0].count("L") >= 2, name


def test_the_page_is_in_its_own_file(files: dict[str, Path], page: Page) -> None:
    for path in files.values():
        kind, document = read_noted(path)
        assert kind is DocumentKind.PAGE and Page.from_dict(document) == page
        sources = document["provenance"]["sources"]
        assert {s["of"]["data"]["simulated"] for s in sources} == {True}
        one = sources[0]["of"]
        assert one["embedding"] == "conse" and one["reading"] == "encoder"
        for kind_of_model in ("encoder", "decoder"):
            assert len(one["models"][kind_of_model]["fingerprint"]) == 16
        assert all(len(f) == 16 for f in one["data"]["fingerprints"].values())
        text = path.read_bytes()
        assert b"CreationDate" not in text and b"dc:date" not in text


def test_a_figure_without_its_json_is_opened_by_what_it_bears(
    files: dict[str, Path], page: Page, tmp_path: Path
) -> None:
    for suffix, path in files.items():
        alone = shutil.copy(path, tmp_path / f"sent by mail{suffix}")
        dropped = classify(alone)
        assert (dropped.kind, dropped.document) == (DroppedKind.DOCUMENT, DocumentKind.PAGE)
        read = SessionDocument.load(alone)
        assert read.state == page.state and Page.from_dict(read.extras["page"]) == page


def test_the_same_page_is_the_same_file(
    files: dict[str, Path], workspaces: Workspaces, tmp_path: Path
) -> None:
    """Read out of the PDF, computed and drawn again: not a byte differs."""
    again = Page.from_dict(read_noted(files[".pdf"])[1])
    written, beside = export_page(again, tmp_path / "again.pdf", workspace_of=workspaces)
    assert written.read_bytes() == files[".pdf"].read_bytes()
    assert Page.load(beside) == again
    assert json.loads(beside.read_text())["provenance"] == read_noted(written)[1]["provenance"]


def test_a_panel_alone_is_what_stands_on_the_page(
    files: dict[str, Path], drawing: PageDrawing, page: Page
) -> None:
    with Image.open(files[".png"]) as picture:
        whole = np.asarray(picture).astype(int)
    index = 5  # pictures: their pixels do not depend on where the panel begins
    box = panel_boxes(page)[index]
    alone = draw_panel_picture(drawing, index, DPI)
    assert alone.shape[2] == 4 and alone.dtype == np.uint8
    assert alone.shape[:2] == pytest.approx(
        (box.height / 25.4 * DPI, box.width / 25.4 * DPI), abs=1
    )
    top, left = (round(mm / 25.4 * DPI) for mm in (box.y, box.x))
    part = whole[top : top + alone.shape[0], left : left + alone.shape[1]]
    opaque = alone[..., 3:] / 255
    laid = alone[..., :3] * opaque + 255 * (1 - opaque)
    assert 0.2 < (alone[..., 3] > 0).mean() < 1
    shift = min(
        np.abs(np.roll(laid, (dy, dx), (0, 1)) - part).mean()
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
    )
    assert shift < 4
    elsewhere = np.abs(np.roll(laid, (12, 12), (0, 1)) - part).mean()
    assert elsewhere > 3 * shift


def test_the_dark_page_is_dark(workspaces: Workspaces, page: Page) -> None:
    dark = page.replace(
        state=page.state.replace(theme=Theme.DARK), panels=page.panels[6:7], height_mm=240.3
    )
    alone = draw_panel_picture(dark, 0, 60, workspaces)
    ink = alone[alone[..., 3] == 255][:, :3]
    assert ink.max(1).mean() > 128


def test_a_font_that_is_not_there_is_said_and_replaced(
    drawing: PageDrawing, workspaces: Workspaces, page: Page, tmp_path: Path
) -> None:
    lone = page.replace(
        panels=(panel("text", 3, 3, 40, 10, "a", "letters 漢"),),
        font="No Such Font 7",
        height_mm=30.0,
    )
    with pytest.warns(DataWarning) as caught:
        export_page(lone, tmp_path / "page.svg", workspace_of=workspaces)
    said = " ".join(str(one.message) for one in caught)
    assert "'No Such Font 7' is not on this machine" in said and "漢" in said
    assert "No Such Font" not in "".join(
        e.get("style", "") for e in ET.parse(tmp_path / "page.svg").getroot().iter()
    )


def test_what_is_simulated_says_so_without_a_foot(
    workspaces: Workspaces, page: Page, tmp_path: Path
) -> None:
    bare = page.replace(panels=page.panels[6:7], foot=False)
    export_page(bare, tmp_path / "page.svg", workspace_of=workspaces)
    words = text_of_svg(tmp_path / "page.svg")
    assert "simulated data" in words and not any("embedding" in word for word in words)


def test_a_panel_that_cannot_be_drawn_is_named(workspaces: Workspaces, page: Page) -> None:
    empty = page.state.replace(trials=(), concept="", layers=())
    for kind, part in (
        ("pictures", "choose a trial"), ("bars", "concept"), ("colour-bar", "No layer"),
        ("cortex", "retinotopy"),
    ):  # fmt: skip
        changes = {"roi_collections": ["retinotopy"]} if kind == "cortex" else {}
        lone = Page(empty, (panel(kind, 3, 3, 50, 40, "q", **changes),))
        if kind == "cortex":
            # A collection that is not there is no fault of the cortex: it is drawn, and said.
            assert part in " ".join(drawing_of_page(workspaces, lone).said)
            continue
        with pytest.raises(RequestError, match=f"Panel q .*{part}"):
            draw_panel_picture(drawing_of_page(workspaces, lone), 0, 60)


def test_too_small_panels_say_so(workspaces: Workspaces, page: Page) -> None:
    for index in (5, 6, 7, 9):
        one = page.panels[index]
        small = page.replace(
            panels=(Panel(one.kind, 3, 3, 6, 4, "s", "", one.changes),), height_mm=240.3
        )
        with pytest.raises(RequestError, match=r"Panel s .*(larger|higher)"):
            draw_panel_picture(small, 0, 60, workspaces)


def test_what_cannot_be_written_is_said_before_anything_is_computed(page: Page) -> None:
    def never(state: object) -> None:
        raise AssertionError("computed")

    huge = page.replace(width_mm=1200.0, height_mm=1200.0, dpi=2400)
    for bad, path, why in (
        (page, Path("page.jpg"), "is written as"), (huge, Path("page.png"), "of memory"),
    ):  # fmt: skip
        with pytest.raises(RequestError, match=why):
            export_page(bad, path, workspace_of=never)
    assert require_writable(huge.replace(panels=()), Path("page.svg")) == ".svg"


def test_a_page_that_is_cancelled_leaves_nothing(
    workspaces: Workspaces, page: Page, tmp_path: Path
) -> None:
    class Impatient:
        def report(self, fraction: float, message: str = "") -> None:
            if fraction > 0:
                raise Cancelled(message)

    with pytest.raises(Cancelled):
        export_page(page, tmp_path / "page.pdf", Impatient(), workspaces)
    assert not list(tmp_path.iterdir())


def test_drawings_hold_only_what_their_panel_shows(
    workspaces: Workspaces, page: Page, drawing: PageDrawing
) -> None:
    assert drawing.panels[0].content.slices == () and drawing.panels[4].content.hemispheres == ()
    one = drawing_of_panel(workspaces, page, 5)
    assert isinstance(one.content, Pictures)
    np.testing.assert_array_equal(one.content.seen, drawing.panels[5].content.seen)
    concepts = " ".join(drawing.said)
    assert f"concept '{page.state.concept}'" in concepts and "b: concept 'tool'" in concepts


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_damaged_and_foreign_figures_are_refused_in_one_sentence(
    files: dict[str, Path], tmp_path: Path, suffix: str
) -> None:
    whole = files[suffix].read_bytes()
    path = tmp_path / f"cut{suffix}"
    for share in (0.0, 0.001, 0.01):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(RequestError) as caught:
            read_noted(path)
        assert "\n" not in str(caught.value)
    for foreign in (b"", b"\x00" * 1000, b"<svg/>", b"%PDF-1.7\n%%EOF", b"\x89PNG\r\n\x1a\n"):
        path.write_bytes(foreign)
        with pytest.raises(RequestError):
            read_noted(path)
    with pytest.raises(RequestError):
        read_noted(tmp_path / f"none{suffix}")


def test_hostile_notes_are_refused(files: dict[str, Path], tmp_path: Path) -> None:
    bomb = '<!DOCTYPE s [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {b} "{("&" + a + ";") * 10}">'
        for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    dc = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'
    for text in (
        f"{bomb}]><svg><x {dc}><dc:description>&i;</dc:description></x></svg>",
        '<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        f"<svg {dc}><dc:description>&x;</dc:description></svg>",
        f"<svg {dc}><dc:description>{'[' * 100_000}</dc:description></svg>",
        f"<svg {dc}><dc:description>[1, 2]</dc:description></svg>",
    ):
        path = tmp_path / "hostile.svg"
        path.write_text(text)
        with pytest.raises(RequestError) as caught:
            read_noted(path)
        assert "root:" not in str(caught.value)
    edited = tmp_path / "edited.svg"
    text = files[".svg"].read_text(encoding="utf-8")
    edited.write_text(text.replace('"dpi": 130', '"dpi": 1e99'), encoding="utf-8")
    with pytest.raises(RequestError, match="dots to the inch"):
        Page.from_dict(read_noted(edited)[1])
    shutil.copy(files[".pdf"], tmp_path / "named wrongly.png")
    with pytest.raises(RequestError):
        read_noted(tmp_path / "named wrongly.png")
