"""Names that stand for things: one table per kind of thing, filled where the thing is defined."""

import difflib
from collections.abc import Callable
from typing import Generic, TypeVar

from bert_wwm.core.errors import ConfigError

T = TypeVar("T")


class Registry(Generic[T]):
    """A table from names to entries of one kind.

    A name registered twice raises at import; an unknown name raises a ConfigError that lists the
    known ones and the nearest.

    Example:
        SEGMENTERS: Registry[type] = Registry("segmenter")

        @SEGMENTERS.register("characters")
        class CharacterSegmenter: ...

        SEGMENTERS["characters"]
    """

    def __init__(self, kind: str):
        self.kind = kind
        self._entries: dict[str, T] = {}

    def add(self, name: str, entry: T) -> T:
        """Adds an entry. Raises ValueError where the name is taken."""
        if name in self._entries:
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        self._entries[name] = entry
        return entry

    def register(self, name: str) -> Callable[[T], T]:
        """The same as a decorator."""
        return lambda entry: self.add(name, entry)

    def names(self) -> list[str]:
        """All names, in the order of their registration."""
        return list(self._entries)

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except KeyError:
            raise ConfigError(self._unknown(name)) from None

    def _unknown(self, name: str) -> str:
        nearest = difflib.get_close_matches(name, self._entries, n=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        return f"unknown {self.kind} {name!r}; known: {', '.join(self._entries)}{hint}"
