"""What is dropped on the window is used, or refused in one sentence, and nothing waits for it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("PySide6")
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent
from PySide6.QtWidgets import QApplication

from app.documents.dialogs import TrustDialog
from app.settings import Settings
from app.window import MainWindow
from nsdviewer.session import Session
from nsdviewer.state import Theme

COPY, LEFT, NONE = (
    Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier,
)  # fmt: skip


@pytest.fixture(scope="module")
def window(application: QApplication, mini) -> Iterator[MainWindow]:
    session = Session(mini.state.replace(concept="", theme=Theme.DARK))
    made = MainWindow(session, Settings(size=(1280, 800)), use_3d=False)
    made.show()
    assert made.wait_idle(120)
    yield made
    made.close()
    made.deleteLater()


def dragged(*urls: str) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl(u) if "://" in u else QUrl.fromLocalFile(u) for u in urls])
    return data


def drop(window: MainWindow, *urls: object) -> None:
    """Drop things as a file manager does: over the middle of the window."""
    data, at = dragged(*map(str, urls)), QPoint(400, 300)
    enter = QDragEnterEvent(at, COPY, data, LEFT, NONE)
    QApplication.sendEvent(window, enter)
    assert enter.isAccepted() and window.dropping.overlay.isVisible()
    QApplication.sendEvent(window, QDropEvent(QPointF(at), COPY, data, LEFT, NONE))
    assert not window.dropping.overlay.isVisible()
    assert window.wait_idle(60)


def said(window: MainWindow) -> str:
    text = window.message.sentence.text() if window.message.isVisible() else ""
    window.message.hide()
    return text


def test_maps_become_layers(window: MainWindow, mini, tmp_path: Path) -> None:
    affine = nib.load(mini.root / "nsddata/ppdata/subj01/func1pt8mm/mean.nii.gz").affine
    values = np.random.default_rng(0).normal(size=mini.workspace.grid).astype(np.float32)
    paths = [tmp_path / "α map.nii.gz", tmp_path / "b.nii.gz"]
    for path in paths:
        nib.save(nib.Nifti1Image(values, affine), path)
    before = window.controller.view.state.layers
    drop(window, *paths)
    layers = window.controller.view.state.layers
    assert [layer.source for layer in layers[len(before) :]] == [f"file:{p}" for p in paths]
    shown = {each.source: each for each in window.controller.view.layer_maps}
    np.testing.assert_array_equal(shown[f"file:{paths[0]}"].volume, values)
    assert said(window) == ""
    drop(window, paths[0])
    assert [layer.source for layer in window.controller.view.state.layers][-1] == f"file:{paths[0]}"
    assert len(window.controller.view.state.layers) == len(layers)


def test_a_model_is_used_only_if_it_is_for_this_subject(
    window: MainWindow, mini, tmp_path: Path
) -> None:
    import json

    from safetensors import safe_open
    from safetensors.numpy import save_file

    own = mini.workspace.model_path("encoder")
    drop(window, own)
    assert window.controller.view.state.encoder == str(own) and said(window) == ""
    with safe_open(own, "np") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        header = json.loads(file.metadata()["nsdviewer"])
    header["subject"] = 7
    other = tmp_path / "other.safetensors"
    save_file(tensors, other, {"nsdviewer": json.dumps(header)})
    drop(window, other)
    assert window.controller.view.state.encoder == str(own)
    assert "7" in said(window)
    window.request(encoder="")


def test_what_cannot_be_used_is_said_and_the_view_stays(window: MainWindow, tmp_path: Path) -> None:
    (tmp_path / "empty.nii").touch()
    (tmp_path / "network.pkl").write_bytes(b"\x80\x04cos\nsystem\n(S'x'\ntR.")
    before = window.controller.view.state
    for thing, words in (
        (tmp_path / "empty.nii", "empty"),
        (tmp_path / "network.pkl", "nsdviewer import"),
        ("https://example.org/map.nii.gz", "address"),
        (tmp_path / "gone.nii", "nothing at"),
    ):
        drop(window, thing)
        assert words in said(window)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.nii")
        drop(window, tmp_path / "pipe.nii")
        assert "pipe" in said(window)
    assert window.controller.view.state == before


def test_a_root_is_found_and_opened_with_what_is_dropped_beside_it(
    window: MainWindow, mini, tmp_path: Path
) -> None:
    values = np.random.default_rng(1).normal(size=mini.workspace.grid).astype(np.float32)
    nib.save(nib.Nifti1Image(values, np.eye(4)), tmp_path / "beside.nii")
    drop(window, mini.root / "nsddata" / "ppdata", tmp_path / "beside.nii")
    state = window.controller.view.state
    assert state.root == str(mini.root)
    assert state.layers[-1].source == f"file:{tmp_path / 'beside.nii'}"
    assert window.wait_idle(60)
    assert any("is assumed" in notice for notice in window.scene().notices)


def test_a_figure_is_opened_as_the_view_that_it_shows(
    window: MainWindow, mini, tmp_path: Path
) -> None:
    note = PngInfo()
    note.add_text("Description", json.dumps(mini.state.replace(concept="a red fish").to_dict()))
    Image.new("RGB", (8, 8)).save(tmp_path / "figure é.png", pnginfo=note)
    drop(window, tmp_path / "figure é.png")
    assert window.controller.view.state.concept == "a red fish" and not said(window)
    strange = mini.state.replace(root=str(tmp_path / "elsewhere")).to_dict()
    note = PngInfo()
    note.add_text("Description", json.dumps(strange))
    Image.new("RGB", (8, 8)).save(tmp_path / "strange.png", pnginfo=note)
    drop(window, tmp_path / "strange.png")
    dialog = window.findChild(TrustDialog)
    assert dialog.list.topLevelItem(0).toolTip(1) == str(tmp_path / "elsewhere")
    dialog.reject()
    assert window.controller.view.state.concept == "a red fish"


def test_the_veil_says_what_a_drop_does_and_goes_with_the_drag(
    window: MainWindow, mini, tmp_path: Path
) -> None:
    data = dragged(str(mini.root), str(tmp_path / "gone"))
    QApplication.sendEvent(window, QDragEnterEvent(QPoint(5, 5), COPY, data, LEFT, NONE))
    assert window.wait_idle(30)
    spoken = window.dropping.overlay.accessibleName()
    assert f"{mini.root.name}: open the data folder" in spoken and "nothing at" in spoken
    assert window.dropping.overlay.geometry() == window.rect()
    QApplication.sendEvent(window, QDragLeaveEvent())
    assert not window.dropping.overlay.isVisible()
