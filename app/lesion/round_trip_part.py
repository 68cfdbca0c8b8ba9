"""How well the encoder's prediction from the reconstruction fits the measured response."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QToolButton, QVBoxLayout, QWidget

from app.lesion.agreement_bars import AgreementBar, AgreementBars, span_of
from app.widgets import ElidedLabel, heading, small

if TYPE_CHECKING:
    from app.view import View
    from nsdviewer.session.round_trip import RoundTrip

AGREEMENT = "agreement"


class RoundTripPart(QWidget):
    """How well the encoder's prediction from the reconstruction fits the measured response."""

    agreementWanted = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self._heading = heading("Round trip")
        self._heading.setToolTip(
            "The reconstruction goes through the encoder; what it predicts is held against the "
            "measured response, correlated over voxels"
        )
        self.agreement = QToolButton()
        self.agreement.setText("agreement on the cortex")
        self.agreement.setObjectName("chip")
        self.agreement.setCheckable(True)
        self.agreement.setToolTip(
            "Lay the agreement over the cortex: voxel by voxel the product of the measured and the "
            "predicted pattern in deviations; its mean is the correlation"
        )
        self.agreement.clicked.connect(self.agreementWanted)
        self._said = ElidedLabel("", lines=2)
        self._warning = small("", "note")
        self.whole = AgreementBars()
        self.regions = AgreementBars()
        self._regions_said = ElidedLabel("by region; mark: from the seen picture")
        top = QHBoxLayout()
        top.addWidget(self._heading)
        top.addWidget(self._warning)
        top.addStretch()
        top.addWidget(self.agreement)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(top)
        for widget in (self._said, self.whole, self._regions_said, self.regions):
            column.addWidget(widget)

    def show_trip(self, view: View) -> None:
        layer = view.state.layer(AGREEMENT)
        self.agreement.setChecked(layer is not None and layer.visible)
        self._said.setText(_said_of(view))
        known = view.reconstruction is not None and not view.round_trip_error
        trip = view.round_trip if known else None
        theme = view.state.theme
        whole = _whole_bars(trip) if trip is not None else ()
        bars = _region_bars(trip) if trip is not None else ()
        # One axis: a region's bar is to be compared with the whole brain's.
        span = span_of((*whole, *bars))
        self.whole.show_bars(whole, span, theme)
        self.regions.show_bars(bars, span, theme)
        self._regions_said.setVisible(bool(bars))
        trained = trip is not None and trip.in_training
        self._warning.setText("encoder's TRAINING picture" if trained else "")


def _said_of(view: View) -> str:
    """Say what the bars stand on, or why there are none."""
    if not view.state.trials:
        return "Choose a trial."
    if view.reconstruction is None or view.reconstruction.painted is None:
        if view.decoding:
            return "decoding…"
        return "Nothing was painted that could go back through the encoder."
    if view.round_trip_error:
        return view.round_trip_error
    if "round_trip" in view.pending and view.round_trip is None:
        return "predicting responses…"
    if view.round_trip is None:
        return ""
    n = int(view.round_trip.reliable.sum())
    floor = f"NC ≥ {view.state.noise_ceiling_floor_pct:g} %"
    if view.round_trip.r != view.round_trip.r:
        return f"Too few voxels with a response have {floor}; lower the floor."
    return f"r with the measured response · {n:,} voxels, {floor}"


def _whole_bars(trip: RoundTrip) -> tuple[AgreementBar, ...]:
    none = float("nan")
    n = int(trip.reliable.sum())
    return (
        AgreementBar(
            "reconstruction", trip.r, none,
            f"Predicted from the reconstruction against measured: r = {trip.r:.3f} over {n:,} "
            "voxels",
        ),
        AgreementBar(
            "seen picture", trip.ceiling_r, none,
            f"Predicted from the seen picture: r = {trip.ceiling_r:.3f}. A reconstruction carries "
            "the measurement's noise too, and may come higher.",
            strong=False,
        ),
        AgreementBar(
            "other pictures", trip.floor_r, none,
            f"Predicted from other pictures: r = {trip.floor_r:.3f}, the mean over "
            f"{trip.n_others}",
            strong=False,
        ),
    )  # fmt: skip


def _region_bars(trip: RoundTrip) -> tuple[AgreementBar, ...]:
    return tuple(
        AgreementBar(
            region.name, region.r, region.ceiling_r,
            f"{region.name}: r = {region.r:.3f} from the reconstruction, {region.ceiling_r:.3f} "
            f"from the seen picture, over {region.n_sites:,} voxels",
        )
        for region in trip.r_by_roi
    )  # fmt: skip
