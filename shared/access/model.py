"""Who is asking."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller: `name` for the record, `tenant` for what it may see.

    An `operator` of the deployment also sees what belongs to no tenant, as the dead letter of a record that nobody can
    read.
    """

    name: str
    tenant: str
    operator: bool = False
