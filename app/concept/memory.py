"""The concepts that a person looked at and those that they gave a name."""

from __future__ import annotations

from app.settings import Settings

_MOST_REMEMBERED = 30


class ConceptMemory:
    """History and saved concepts, kept with the window's settings."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()

    @property
    def history(self) -> tuple[str, ...]:
        """Concepts that were looked at, the last one first."""
        return tuple(self._settings.concept_history)

    @property
    def saved(self) -> dict[str, str]:
        """Expressions by name."""
        return dict(self._settings.saved_concepts)

    @property
    def expressions(self) -> tuple[str, ...]:
        """Every expression that is known, saved ones first."""
        return tuple(dict.fromkeys([*self.saved.values(), *self.history]))

    def remember(self, expression: str) -> None:
        """Put `expression` at the head of the history."""
        others = [each for each in self._settings.concept_history if each != expression]
        if expression:
            self._settings.concept_history = [expression, *others][:_MOST_REMEMBERED]

    def save(self, name: str, expression: str) -> None:
        """Keep `expression` under a name, which names nothing else then."""
        if name.strip() and expression:
            self._settings.saved_concepts = {**self.saved, name.strip(): expression}
            self._settings.save()

    def remove(self, name: str) -> None:
        """Forget what is saved under a name."""
        self._settings.saved_concepts = {k: v for k, v in self.saved.items() if k != name}
        self._settings.save()
