"""A value that must not be seen: its text never appears in a log, an error or a debugger's repr."""

from typing import final


@final
class Secret:
    """Holds bytes or text; `reveal()` is the only way out and easy to search for."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__
