"""Which tests of a concept map exist, and why others do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nsdviewer.errors import CheckpointError, RequestError
from nsdviewer.mapping.statistics.thresholds import Control, Threshold
from nsdviewer.models.decoders.registry import RIDGE
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import Null, Reading

if TYPE_CHECKING:
    from nsdviewer.session.evidence import MapRequest


def why_not(workspace: Workspace, request: MapRequest) -> str:
    """Return why a map cannot be made or tested as asked, in one sentence; "" where it can.

    It knows of the model, the reading, the statistic and the null hypothesis, and not whether the
    concept has a direction.
    """
    try:
        require_possible(workspace, request)
    except (RequestError, CheckpointError) as error:
        return str(error)
    return ""


def require_possible(workspace: Workspace, request: MapRequest) -> None:
    """Raise unless a map can be tested as asked; see `why_not`.

    Raises
    ------
    RequestError
        If the statistic cannot be read, has too few draws, or does not exist for the reading or
        its model.
    CheckpointError
        If the model is missing, or fitted for something else.
    """
    threshold = Threshold.parse(request.statistic)
    if threshold.control is not Control.NONE:
        threshold.require_draws(request.n_draws)
    is_encoder = request.reading is Reading.ENCODER
    ask = _why_no_encoder_test if is_encoder else _why_no_decoder_test
    if why := ask(workspace, request, threshold):
        raise RequestError(why)


def _why_no_encoder_test(workspace: Workspace, request: MapRequest, threshold: Threshold) -> str:
    is_banded = workspace.encoder(request.encoder_path).contrast is not None
    if threshold.control is Control.NONE:
        return ""
    if threshold.control is Control.INTERVAL and request.null is not Null.USUAL:
        return "An interval has no null hypothesis; choose the usual one."
    is_plain = request.null in (Null.USUAL, Null.IMAGES)
    if is_banded and (threshold.control is Control.INTERVAL or not is_plain):
        return (
            "A banded encoder is tested by permuting pictures only; choose fdr, fwe or p, "
            "and the null hypothesis 'images'."
        )
    return ""


def _why_no_decoder_test(workspace: Workspace, request: MapRequest, threshold: Threshold) -> str:
    model = workspace.decoder(request.decoder_path).header.model
    if threshold.control is Control.NONE:
        return ""
    if model != RIDGE:
        return (
            f"A test of a '{model}' decoder's reading would need it trained anew for each "
            "permutation; choose a ridge decoder, or no test."
        )
    if threshold.control is Control.INTERVAL or request.null not in (Null.USUAL, Null.IMAGES):
        return (
            f"The {request.reading.value} reading is tested by permuting pictures only; choose fdr, "
            "fwe or p, and the null hypothesis 'images'."
        )
    return ""
