"""WHERE, put together from what was asked."""


class Conditions:
    """Conditions joined by AND, with their values numbered as PostgreSQL counts parameters."""

    def __init__(self) -> None:
        self.values: list[object] = []
        self._parts: list[str] = []

    def parameter(self, value: object) -> str:
        """The name of one more value."""
        self.values.append(value)
        return f"${len(self.values)}"

    def add(self, template: str, *values: object) -> None:
        """One more condition: `{}` stands for each of `values`."""
        self._parts.append(template.format(*map(self.parameter, values)))

    def joined(self, *more: str) -> str:
        """All of them, and `more`."""
        return " AND ".join((*self._parts, *more))

    def __str__(self) -> str:
        return self.joined()
