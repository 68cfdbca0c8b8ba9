"""Where the files that come with the program lie: in a checkout and in an installed wheel."""

from pathlib import Path

from nsdviewer.errors import DataError

_PACKAGE = Path(__file__).resolve().parent


def resource_path(*parts: str) -> Path:
    """Return the path of a shipped file or folder.

    Parameters
    ----------
    parts
        Path below ``resources/``, for example ``"photographs", "photos.csv"``.

    Raises
    ------
    DataError
        If the file did not come with this installation.
    """
    for base in (_PACKAGE.parent / "resources", _PACKAGE / "resources"):
        candidate = base.joinpath(*parts)
        if candidate.exists():
            return candidate
    raise DataError(
        f"The shipped file {'/'.join(parts)} is missing from this installation; "
        "install nsdviewer again."
    )
