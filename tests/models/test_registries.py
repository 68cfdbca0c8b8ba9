"""The names that the command line offers are those that the registries know."""

from nsdviewer.cli.model_options import DECODER_MODELS, ENCODER_MODELS, SPLITS
from nsdviewer.evaluation.protocol import Split
from nsdviewer.models.decoders.registry import DECODERS
from nsdviewer.models.networks.plan import preset
from nsdviewer.models.networks.registry import NETWORKS
from nsdviewer.session.banded_fitting import BANDED
from nsdviewer.session.fitting import RIDGE


def test_offers_and_registries_agree() -> None:
    assert set(DECODER_MODELS) == set(DECODERS)
    assert set(NETWORKS) <= set(DECODERS)
    assert all(preset(name).network == name for name in NETWORKS)
    assert set(ENCODER_MODELS) == {RIDGE, BANDED}
    assert set(SPLITS) == {split.value for split in Split}
