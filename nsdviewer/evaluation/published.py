"""What other systems report, to be printed beside a report and never as if it were comparable."""

from dataclasses import dataclass

from nsdviewer.evaluation.catalogue import Metric

SOURCE = (
    "MindEye2 (Scotti et al. 2024), Table 1: mean of subjects 1, 2, 5 and 7, 1,000 test pictures, "
    "all systems run again by its authors. SSIM is the reading with columns as channels; retrieval "
    "is among 300."
)
BRAIN_CORRELATION_SOURCE = (
    "MindEye2 also reports the brain correlation: visual cortex .373, V1 .364, V4 .327."
)
COLUMNS = (
    Metric.PIXCORR,
    Metric.SSIM_COLUMNS,
    Metric.ALEXNET_2,
    Metric.ALEXNET_5,
    Metric.INCEPTION,
    Metric.CLIP,
    Metric.EFFNET,
    Metric.SWAV,
    Metric.IMAGE_RETRIEVAL,
    Metric.BRAIN_RETRIEVAL,
)


@dataclass(frozen=True)
class PublishedSystem:
    """One system's figures; shares and correlations, None where none is published.

    Attributes
    ----------
    values
        In the order of `COLUMNS`.
    """

    name: str
    values: tuple[float | None, ...]

    def value(self, metric: str) -> float | None:
        """Return the figure of a metric by its key, None where there is none."""
        by_key = {m.value: v for m, v in zip(COLUMNS, self.values, strict=True)}
        return by_key.get(metric)


SYSTEMS = (
    PublishedSystem(
        "Takagi & Nishimoto",
        (0.246, 0.410, 0.789, 0.856, 0.838, 0.821, 0.811, 0.504, None, None),
    ),
    PublishedSystem(
        "Brain-Diffuser",
        (0.273, 0.365, 0.944, 0.966, 0.913, 0.909, 0.728, 0.421, 0.188, 0.263),
    ),
    PublishedSystem(
        "MindEye",
        (0.319, 0.360, 0.928, 0.969, 0.946, 0.933, 0.648, 0.377, 0.900, 0.841),
    ),
    PublishedSystem(
        "MindEye2",
        (0.322, 0.431, 0.961, 0.986, 0.954, 0.930, 0.619, 0.344, 0.988, 0.983),
    ),
)


def comparability(
    is_simulated: bool, split: str, n_test: int, embedding_title: str
) -> tuple[str, ...]:
    """Return why a report's figures and the published ones are not the same measurement."""
    first = (
        "The responses of this report are SIMULATED: none of its figures can be compared with "
        "those of a brain."
        if is_simulated
        else f"This report is of one subject and {n_test} test pictures ({split}); the published "
        "figures are means of four subjects and 1,000 pictures."
    )
    return (
        first,
        f"Vectors and retrieval here are of {embedding_title}; the published retrieval is of the "
        "authors' CLIP spaces.",
        "Preprocessing, generators, training pictures and the pictures' resolution differ.",
    )
