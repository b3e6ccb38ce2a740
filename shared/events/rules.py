"""What a tenant asks of its event types, as far as ingest has to know."""

from collections.abc import Mapping
from typing import Literal, Protocol

import msgspec

from shared.kit.clock import DAY_SECONDS
from shared.kit.errors import Fault

DEFAULT_WINDOW_SECONDS = DAY_SECONDS
"""How long a receipt is remembered where the event's type does not say otherwise."""


class Rule(Protocol):
    """The current definition of one event type, ready to be applied."""

    @property
    def mode(self) -> Literal["enforce", "warn", "off"]:
        """What a fault means: the event is rejected, accepted with a warning, or not looked at."""
        ...

    @property
    def window_seconds(self) -> int:
        """How long the receipt of an event of this type is remembered."""
        ...

    def faults(self, data: bytes | None, at: str) -> list[Fault]:
        """The faults of `data` (JSON; None: there is none), pointers below `at`, at most 20. No value is echoed."""
        ...

    def partition_key(self, data: bytes | None) -> str | None:
        """What the type's `key_path` finds in `data`: None without a path, or where it leads to no text or number."""
        ...


class Ruleset(msgspec.Struct, frozen=True):
    """A tenant's rules by the name of the type. `known` is False while the registry could never be read."""

    rules: Mapping[str, Rule]
    known: bool = True


class Rules(Protocol):
    """Where rules come from."""

    async def of(self, tenant: str) -> Ruleset:
        """The tenant's rules, at most a few seconds old, or the last known ones while the registry is away.

        Never raises, and does not hold a request up for more than about a second.
        """
        ...
