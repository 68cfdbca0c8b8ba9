"""What the lines of a training's log say to a person who waits."""

from typing import Any


class Curve:
    """The last figures of a training, as one line of text.

    Parameters
    ----------
    n_epochs
        At which the training ends if nothing ends it before.
    """

    def __init__(self, n_epochs: int) -> None:
        self._n_epochs = n_epochs
        self._note = ""
        self._loss = ""
        self._held_out = ""
        self._epoch = 0.0

    def follow(self, line: dict[str, Any]) -> None:
        """Take in one more line of the log."""
        if "note" in line:
            self._note = f" · {line['note']}"
            return
        self._epoch = line["epoch"]
        if "loss" in line:
            self._loss = f" · loss {line['loss']:.4f}"
        if "held_out_loss" in line:
            self._held_out = (
                f" · held-out {line['held_out_loss']:.4f} (two-way {line['held_out_two_way']:.1%})"
            )

    @property
    def fraction(self) -> float:
        """How much of the training is done, 0..1."""
        return min(self._epoch / self._n_epochs, 1.0)

    @property
    def message(self) -> str:
        """For example ``epoch 3/40 · loss 0.8210 · held-out 0.8655 (two-way 81.0%)``."""
        epoch = min(int(self._epoch) + 1, self._n_epochs)
        return f"epoch {epoch}/{self._n_epochs}{self._loss}{self._held_out}{self._note}"
