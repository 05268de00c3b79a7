"""Names that stand for things: one table per kind of thing, filled where the thing is defined."""

import difflib
from collections.abc import Callable
from typing import TypeVar

from bert_wwm.core.errors import ConfigError

T = TypeVar("T")


class Registry(dict[str, T]):
    """A table from names to entries of one kind.

    A name registered twice raises at import; an unknown name raises a ConfigError that lists the
    known ones and the nearest.
    """

    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind

    def add(self, name: str, entry: T) -> T:
        """Adds an entry. Raises ValueError where the name is taken."""
        if name in self:
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        self[name] = entry
        return entry

    def register(self, name: str) -> Callable[[T], T]:
        """The same as a decorator."""
        return lambda entry: self.add(name, entry)

    def names(self) -> list[str]:
        """All names, in the order of their registration."""
        return list(self)

    def __missing__(self, name: str) -> T:
        nearest = difflib.get_close_matches(name, self, n=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        raise ConfigError(f"unknown {self.kind} {name!r}; known: {', '.join(self)}{hint}")
