"""Event types' rules in memory."""

from collections.abc import Mapping

from shared.events.rules import Rule, Ruleset


class MemoryRules:
    """Rules over a dictionary by tenant. Set `away` to have it behave as one that never could be read."""

    def __init__(self, rules: Mapping[str, Mapping[str, Rule]] | None = None) -> None:
        self.rules = dict(rules or {})
        self.away = False

    async def of(self, tenant: str) -> Ruleset:
        return Ruleset({}, known=False) if self.away else Ruleset(self.rules.get(tenant, {}))
