"""Who is asking."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller: `name` for the record, `tenant` for what it may see."""

    name: str
    tenant: str
