"""Whether libraries that load models may fetch them by themselves; light, because windows ask."""

import os


def is_offline() -> bool:
    """Whether nothing may be fetched unasked: what ``HF_HUB_OFFLINE`` says, as the hub reads it."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def stay_offline() -> None:
    """Let this process and its children fetch nothing unasked, from the hub or elsewhere."""
    os.environ["HF_HUB_OFFLINE"] = "1"
