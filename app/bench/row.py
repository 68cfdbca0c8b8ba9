"""The row below the reconstruction: other seeds, controls, or the nearest pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QGridLayout, QHBoxLayout, QToolButton, QWidget

from app.bench.widgets import ChoicePicture
from app.plain_text import plain
from app.view import View
from app.widgets import ElidedLabel
from nsdviewer.state import BenchRow

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nsdviewer.session.bench_controls import ControlPicture
    from nsdviewer.session.bench_nearest import NearPicture

N_TILES = 5
_ROWS = (
    (BenchRow.SEEDS, "seeds", "The same decoded embedding with other noise, and the ceiling"),
    (
        BenchRow.CONTROLS,
        "controls",
        "What is painted without this brain, and with a perfect decoder",
    ),
    (BenchRow.NEAREST, "nearest", "Training pictures nearest to what was decoded"),
)
_CEILING = (
    "Painted from the seen picture's own embedding: the best that this generator could do with a "
    "perfect decoder"
)


@dataclass(frozen=True, eq=False)
class Tile:
    """What one place of the row shows, and what choosing it asks for."""

    name: str
    value: str = ""
    picture: NDArray[np.uint8] | None = None
    explained: str = ""
    request: dict[str, object] | None = None


class RowSwitch(QWidget):
    """Three chips of which one is on."""

    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        group = QButtonGroup(self)
        self._chips: dict[BenchRow, QToolButton] = {}
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(4)
        for row, text, tip in _ROWS:
            chip = QToolButton(text=text, checkable=True)
            chip.setObjectName("chip")
            chip.setToolTip(plain(tip))
            chip.clicked.connect(lambda _=False, r=row: self.chosen.emit(r))
            group.addButton(chip)
            self._chips[row] = chip
            line.addWidget(chip)

    def chip(self, row: BenchRow) -> QToolButton:
        return self._chips[row]

    def show_row(self, row: BenchRow) -> None:
        self._chips[row].setChecked(True)


class TileRow(QWidget):
    """Pictures side by side, each with a name and a value beneath."""

    wanted = Signal(dict)

    def __init__(self) -> None:
        super().__init__()
        self.pictures = [ChoicePicture(f"Picture {k + 1}") for k in range(N_TILES)]
        self.names = [ElidedLabel() for _ in range(N_TILES)]
        self.values = [ElidedLabel() for _ in range(N_TILES)]
        self._tiles: tuple[Tile, ...] = ()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(0)
        for k in range(N_TILES):
            grid.addWidget(self.pictures[k], 0, k)
            grid.addWidget(self.names[k], 1, k)
            grid.addWidget(self.values[k], 2, k)
            grid.setColumnStretch(k, 1)
            self.pictures[k].clicked.connect(lambda k=k: self._choose(k))

    def show_tiles(self, tiles: tuple[Tile, ...]) -> None:
        self._tiles = tiles
        shown = (*tiles, *[Tile("")] * N_TILES)[:N_TILES]
        for picture, name, value, tile in zip(
            self.pictures, self.names, self.values, shown, strict=True
        ):
            picture.set_rgb(tile.picture)
            picture.set_leads(tile.request is not None)
            picture.setAccessibleName(f"{tile.name} {tile.value}".strip() or "no picture")
            picture.setAccessibleDescription(tile.explained)
            name.setText(tile.name)
            value.setText(tile.value)
            for widget in (picture, name, value):
                widget.setToolTip(plain(tile.explained))
        has_values = any(tile.value for tile in tiles)
        for value in self.values:
            value.setVisible(has_values)

    def set_outdated(self, is_outdated: bool) -> None:
        """Say whether the tiles are of what was reconstructed before."""
        for picture in self.pictures:
            picture.set_faded(is_outdated)

    def _choose(self, k: int) -> None:
        if k < len(self._tiles) and self._tiles[k].request is not None:
            self.wanted.emit(self._tiles[k].request)


def is_outdated(view: View) -> bool:
    """Return whether what the row shows is being computed anew."""
    made_by = {
        BenchRow.SEEDS: {"gallery"},
        BenchRow.CONTROLS: {"controls", "training_vectors"},
        BenchRow.NEAREST: {"nearest", "training_vectors"},
    }
    return bool(made_by[view.state.bench] & view.pending)


def tiles_of(view: View) -> tuple[Tile, ...]:
    """Return what the row of the view's choice shows."""
    if view.state.bench is BenchRow.CONTROLS:
        return tuple(_control_tile(control) for control in view.controls)
    if view.state.bench is BenchRow.NEAREST:
        if view.nearest_fault:
            return (Tile("none", explained=view.nearest_fault),)
        return tuple(_near_tile(near) for near in view.nearest)
    return tuple(_seed_tile(label, picture) for label, picture in view.gallery)


def _seed_tile(label: str, picture: NDArray[np.uint8]) -> Tile:
    kind, _, number = label.partition(" ")
    if kind != "seed":
        return Tile(label, picture=picture, explained=_CEILING)
    request: dict[str, object] = {"seed": int(number)}
    return Tile(label, picture=picture, explained="Click to take this seed", request=request)


def _control_tile(control: ControlPicture) -> Tile:
    value = _cosine(control.cosine)
    explained = control.meaning
    if value:
        explained += f" Cosine with the seen picture's embedding: {value}."
    if control.missing:
        explained += f" Not shown: {control.missing}"
    return Tile(control.kind.value, value, control.picture, explained)


def _near_tile(near: NearPicture) -> Tile:
    trial = near.trial
    explained = (
        f"{near.label}: a training picture, retrieved and not painted"
        + ("; it is the one seen" if near.is_seen else "")
        + (f". Click to choose trial {trial:,}, which showed it." if trial is not None else ".")
    )
    request: dict[str, object] | None = None if trial is None else {"trials": (trial,)}
    name = "seen" if near.is_seen else near.label
    return Tile(name, _cosine(near.cosine), near.rgb, explained, request)


def _cosine(value: float) -> str:
    if value != value:
        return ""
    return f"{value:.2f}".replace("0.", ".", 1).replace("-", "−")
