"""Which metrics and conditions there are, and what a reader needs to know of each."""

from dataclasses import dataclass, replace
from enum import Enum


class Better(Enum):
    """Which way a metric improves."""

    HIGHER = "higher"
    LOWER = "lower"


class Unit(Enum):
    """How a metric is printed; values are shares and correlations in either case."""

    DECIMAL = "decimal"
    PERCENT = "percent"


class Metric(Enum):
    """The metrics of MindEye's evaluation; the values are what files call them."""

    PIXCORR = "pixcorr"
    SSIM_COLUMNS = "ssim_columns"
    SSIM_WINDOWS = "ssim_windows"
    ALEXNET_2 = "alexnet_2"
    ALEXNET_5 = "alexnet_5"
    INCEPTION = "inception"
    CLIP = "clip"
    EFFNET = "effnet_b1"
    SWAV = "swav"
    OWN_PICTURES = "own_two_way_pictures"
    OWN_DECODED = "own_two_way_decoded"
    IMAGE_RETRIEVAL = "image_retrieval"
    BRAIN_RETRIEVAL = "brain_retrieval"


class ConditionKind(Enum):
    """What pictures were made from; the values are what files call them."""

    AVERAGED = "averaged"
    SINGLE = "single_trial"
    SHUFFLED = "shuffled_brains"
    MEAN_EMBEDDING = "mean_embedding"
    NEAREST_TRAINING = "nearest_training"
    CEILING = "true_embedding"

    @property
    def title(self) -> str:
        """What people read."""
        return _CONDITION_TITLES[self]

    @property
    def meaning(self) -> str:
        """What the condition tells, in a sentence."""
        return _CONDITION_MEANINGS[self]


_CONDITION_TITLES = {
    ConditionKind.AVERAGED: "Decoded, repetitions averaged",
    ConditionKind.SINGLE: "Decoded, single trial",
    ConditionKind.SHUFFLED: "Shuffled brains",
    ConditionKind.MEAN_EMBEDDING: "Mean embedding",
    ConditionKind.NEAREST_TRAINING: "Nearest training picture",
    ConditionKind.CEILING: "True embedding (ceiling)",
}
_CONDITION_MEANINGS = {
    ConditionKind.AVERAGED: "Responses to all repetitions of a picture, averaged, then decoded.",
    ConditionKind.SINGLE: "One presentation of each picture, decoded alone.",
    ConditionKind.SHUFFLED: (
        "Each picture gets the brain of another one: what scores here owes nothing to the brain, "
        "and must be at chance."
    ),
    ConditionKind.MEAN_EMBEDDING: (
        "The training pictures' mean vector for every picture: what the generator paints when it "
        "is told nothing."
    ),
    ConditionKind.NEAREST_TRAINING: (
        "The training picture nearest to the decoded vector, shown as it is: what a generator "
        "must beat to be more than a look-up."
    ),
    ConditionKind.CEILING: (
        "The seen picture's own vector through the same generator: the best that any decoder "
        "could bring about. Its scores on vectors are perfect by construction."
    ),
}


@dataclass(frozen=True)
class MetricInfo:
    """One row of the report's table.

    Attributes
    ----------
    key
        What files call it: a value of `Metric`, or ``brain_correlation:ROI``.
    definition
        In a sentence.
    chance
        What guessing scores; None where there is no such number.
    note
        What a reader has to know beyond that, such as a pool smaller than 300.
    """

    key: str
    title: str
    definition: str
    better: Better
    unit: Unit
    chance: float | None = None
    note: str = ""


_TWO_WAY = "share of other pictures that resemble the reconstruction less than its own does"


def _two_way(metric: Metric, title: str, features: str) -> MetricInfo:
    definition = f"Two-way identification by correlation of {features}: the {_TWO_WAY}."
    return MetricInfo(metric.value, title, definition, Better.HIGHER, Unit.PERCENT, 0.5)


def _distance(metric: Metric, title: str, features: str) -> MetricInfo:
    definition = f"Mean correlation distance of {features} per pair."
    return MetricInfo(metric.value, title, definition, Better.LOWER, Unit.DECIMAL)


def picture_metrics() -> tuple[MetricInfo, ...]:
    """Return the metrics of pixels and of feature networks, in the order of the published table."""
    return (
        MetricInfo(
            Metric.PIXCORR.value,
            "PixCorr",
            "Pearson's r of all pixels and colours at 425², per pair.",
            Better.HIGHER,
            Unit.DECIMAL,
        ),
        MetricInfo(
            Metric.SSIM_COLUMNS.value,
            "SSIM (columns as channels)",
            "Structural similarity at 425², grey, with one-dimensional windows down the pixel "
            "columns: what the published figures are.",
            Better.HIGHER,
            Unit.DECIMAL,
        ),
        MetricInfo(
            Metric.SSIM_WINDOWS.value,
            "SSIM (2-D windows)",
            "Structural similarity at 425², grey, as Wang et al. (2004) define it; not comparable "
            "with published figures.",
            Better.HIGHER,
            Unit.DECIMAL,
        ),
        _two_way(Metric.ALEXNET_2, "AlexNet(2)", "AlexNet features after the ReLU of conv2 (256²)"),
        _two_way(Metric.ALEXNET_5, "AlexNet(5)", "AlexNet features after the ReLU of conv5 (256²)"),
        _two_way(Metric.INCEPTION, "Inception-v3", "Inception-v3's pooled features (342²)"),
        _two_way(Metric.CLIP, "CLIP ViT-L/14", "CLIP ViT-L/14 image embeddings (224²)"),
        _distance(Metric.EFFNET, "EffNet-B1 distance", "EfficientNet-B1's pooled features (255²)"),
        _distance(Metric.SWAV, "SwAV distance", "SwAV ResNet-50's pooled features (224²)"),
    )


def own_metrics(embedding_title: str, pool_size: int, wanted_pool: int) -> tuple[MetricInfo, ...]:
    """Return the metrics of the embedding at hand, under its own name."""
    # A row's head is narrow; the full title, with what it is not, stands in a footnote.
    name = embedding_title.partition(" (")[0]
    full = "" if name == embedding_title else f"{embedding_title}."
    note = full
    if pool_size < wanted_pool:
        note = (
            f"{full} The pool holds {pool_size} pictures and not {wanted_pool}: easier than, and "
            "not comparable with, published retrieval."
        ).strip()
    chance = 1 / pool_size if pool_size else None

    def retrieval(metric: Metric, title: str, way: str) -> MetricInfo:
        return MetricInfo(
            metric.value,
            f"{title} by {name}, top 1 of {pool_size}",
            f"{way}, by cosine of {name} vectors.",
            Better.HIGHER,
            Unit.PERCENT,
            chance,
            note,
        )

    seen = f"decoded vectors with {name} vectors of the seen pictures"
    return (
        replace(
            _two_way(Metric.OWN_PICTURES, f"Pictures by {name}", f"{name} vectors of the pictures"),
            note=full,
        ),
        replace(_two_way(Metric.OWN_DECODED, f"Decoded vectors by {name}", seen), note=full),
        retrieval(
            Metric.IMAGE_RETRIEVAL,
            "Image retrieval",
            "The decoded vector's nearest image is its own",
        ),
        retrieval(
            Metric.BRAIN_RETRIEVAL,
            "Brain retrieval",
            "The image's nearest decoded vector is its own",
        ),
    )


def brain_metric(roi: str) -> MetricInfo:
    """Return the brain correlation of one ROI."""
    return MetricInfo(
        f"brain_correlation:{roi}",
        f"Brain correlation, {roi}",
        f"The reconstruction's response in {roi} as the encoder predicts it, correlated over voxels "
        "with the measured response averaged over repetitions.",
        Better.HIGHER,
        Unit.DECIMAL,
    )
