"""What can be named in a concept of one workspace."""

from nsdviewer.data.regions.rois import load_collection
from nsdviewer.errors import DataError, RequestError
from nsdviewer.mapping.completion import ConceptWords
from nsdviewer.mapping.vocabulary import load_vocabulary
from nsdviewer.session.workspace import Workspace
from nsdviewer.state import Hemisphere


def concept_words(workspace: Workspace) -> ConceptWords:
    """Return the vocabulary, the categories and names of the pictures, and the regions' names.

    What is missing or damaged on disk is left out.
    """
    try:
        phrases = list(load_vocabulary().words)
    except DataError:
        phrases = []
    try:
        for label in workspace.stimuli.labels.values():
            phrases.extend(part.replace("_", " ") for part in label)
    except DataError:
        # Pictures without labels are described by what is typed alone.
        pass
    regions: dict[str, None] = {}
    for collection in workspace.collections:
        regions.update(dict.fromkeys(_names(workspace, collection)))
        regions[collection] = None
    return ConceptWords(tuple(dict.fromkeys(phrases)), tuple(regions))


def _names(workspace: Workspace, collection: str) -> tuple[str, ...]:
    hemisphere = None if workspace.is_volume else Hemisphere.LEFT
    try:
        found = load_collection(workspace.files, workspace.space, collection, hemisphere)
    except (DataError, RequestError):
        return ()
    return tuple(found.names.values())
