"""`nsdviewer figure` with pages, figures and films."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from nsdviewer.cli import main
from nsdviewer.rendering.figure_notes import read_noted
from nsdviewer.session.session_file import SessionDocument
from nsdviewer.state import Page, Panel, PanelKind
from tests.conftest import Subject


def figure(*words: object) -> int:
    return main(["figure", *(str(word) for word in words)])


@pytest.fixture(scope="module")
def folder(mini: Subject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("pages")
    panels = (
        Panel(PanelKind.CORTEX, 2, 2, 60, 40, "a", "animal"),
        Panel(PanelKind.SLICES, 2, 44, 60, 30, "b", "", (("concept", "tool"),)),
    )
    page = Page(mini.state.replace(trials=()), panels, width_mm=89.0, height_mm=90.0, dpi=90)
    page.save(found / "page.json")
    page.replace(panels=()).save(found / "empty.json")
    page.state.save(found / "view.json")
    SessionDocument(page.state).save(found / "session.json")
    return found


def test_a_page_makes_itself_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the document, from the JSON beside a figure, and from the figure alone."""
    assert figure(folder / "page.json", "-o", folder / "first.svg") == 0
    assert str(folder / "first.svg") in capsys.readouterr().out
    first = (folder / "first.svg").read_bytes()
    for source in ("first.json", "first.svg"):
        assert figure(folder / source, "-o", folder / "second.svg") == 0
        assert (folder / "second.svg").read_bytes() == first
    assert figure(folder / "first.svg", "-o", folder / "large.png", "--dpi", 180) == 0
    with Image.open(folder / "large.png") as picture:
        assert picture.size == (round(89 / 25.4 * 180), round(90 / 25.4 * 180))


def test_a_page_is_changed_and_viewed(folder: Path) -> None:
    out = folder / "changed.png"
    assert figure(folder / "page.json", "-o", out, "--set", "theme=light", "--dpi", 60) == 0
    page = Page.from_dict(read_noted(out)[1])
    assert page.state.theme.value == "light" and page.dpi == 60
    assert figure(folder / "empty.json", "-o", folder / "empty.pdf") == 0
    # A view of what the page is made of, as of any saved view.
    table = folder / "bars.csv"
    assert figure(folder / "page.json", "--view", "bars", "-o", table) == 0
    assert table.read_text().startswith("region")


def test_the_cortex_turns(folder: Path) -> None:
    words = ("--seconds", 0.5, "--fps", 4, "--size", 64)
    assert figure(folder / "page.json", "-o", folder / "turn.gif", *words) == 0
    with Image.open(folder / "turn.gif") as film:
        assert film.n_frames == 2 and film.size == (64, 64)


@pytest.mark.parametrize("out", ["f.png", "c.gif", "p.svg"])
def test_what_a_picture_does_not_show_is_said_to_who_does_not_look(
    folder: Path, capsys: pytest.CaptureFixture[str], out: str
) -> None:
    """Of a layer whose file is gone, in each way in which a picture is written; else nothing is."""
    layers = f"concept,file:{folder / 'gone.nii.gz'}"
    words = ("--seconds", 0.2, "--fps", 5, "--size", 64) if out.endswith("gif") else ()
    source = folder / ("page.json" if out.startswith("p") else "view.json")
    assert figure(source, "-o", folder / out, *words) == 0
    assert "warning" not in capsys.readouterr().err
    assert figure(source, "-o", folder / f"less-{out}", "--set", f"layers={layers}", *words) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert said and all("gone.nii.gz" in line for line in said)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("page.json", "-o", "x.jpg"), "is written as"),
        (("page.json", "-o", "x.png", "--dpi", "7"), "dots to the inch"),
        (("page.json", "-o", "x.png", "--scale", "2"), "use --dpi"),
        (("view.json", "-o", "x.png", "--dpi", "100"), "use --scale"),
        (("page.json", "-o", "page.png", "--dpi", "60"), "another name"),
        (("session.json", "-o", "session.png"), "would replace the session"),
        (("session.json", "-o", "session.csv", "--view", "bars"), "would replace the session"),
        (("page.json", "-o", "session.svg"), "would replace the session"),
        (("view.json", "-o", "session.gif"), "would replace the session"),
        (("view.json", "-o", "page.gif"), "would replace the page"),
        (("page.json", "-o", "page.png", "--view", "bars"), "would replace the page"),
        (("page.json", "-o", "x.png", "--set", "root=/no/such/place"), "/no/such/place"),
        (("page.json", "-o", "x.png", "--set", "subject=7"), "7"),
        (("page.json", "-o", "/proc/nowhere/x.svg"), "nowhere"),
        (("view.json", "-o", "x.mp4", "--fps", "0"), "pictures a second"),
        (("view.json", "-o", "x.mp4", "--size", "1000000"), "pixels"),
        (("view.json", "-o", "x.mp4", "--seconds", "nan"), "seconds"),
        (("none.pdf", "-o", "x.png"), "none.pdf"),
        (("note.png", "-o", "x.png"), "no view of nsdviewer"),
    ],
)
def test_faults_are_one_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...], why: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(folder)
    Image.new("RGB", (4, 4)).save(folder / "note.png")
    kept = {path: path.read_bytes() for path in folder.glob("*.json")}
    assert figure(*words) == 1
    said = capsys.readouterr().err
    last = said.strip().splitlines()[-1]
    assert last.startswith("nsdviewer: ") and why in last and "Traceback" not in said
    assert not [path for name in ("x", "page", "session") for path in folder.glob(f"{name}.[!j]*")]
    assert all(path.read_bytes() == content for path, content in kept.items())


def test_a_damaged_pdf_is_one_line_of_a_terminal(tmp_path: Path) -> None:
    # In a process of its own: what a library logs is caught by the test runner in this one.
    file = tmp_path / "cut.pdf"
    file.write_bytes(b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer <</Root 1 0 R>>\nstartxref\n9\n")
    words = [sys.executable, "-m", "nsdviewer", "figure", str(file), "-o", str(tmp_path / "x.png")]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1 and len(ended.stderr.splitlines()) == 1, ended.stderr
