"""Where a sentence about a missing model leads: the way to the models manager."""

from __future__ import annotations

from PySide6.QtWidgets import QToolButton

# Commands and advice that the manager carries out, as sentences name them.
_MAKING = ("nsdviewer fit", "nsdviewer download", "nsdviewer import", "generator trained with",
           "download them again")  # fmt: skip


def leads_to_models(sentence: str) -> bool:
    """Whether what a sentence advises is done in the models manager."""
    return any(words in sentence for words in _MAKING)


class ModelsLink(QToolButton):
    """A small button that is there while a model is what is missing."""

    def __init__(self) -> None:
        super().__init__()
        self.setText("models…")
        self.setObjectName("chip")
        self.setToolTip("What models there are, and how to get the missing one (Ctrl+M)")
        self.setAccessibleName("Models")
        self.hide()

    def show_for(self, *sentences: str) -> None:
        """Show it where one of the sentences leads to the manager."""
        self.setVisible(any(leads_to_models(sentence) for sentence in sentences))
