"""Kept answers in memory."""

from shared.idempotency.ports import Answer, Away, Beginning, Begun, InFlight, Mismatch


class MemoryAnswers:
    """Answers over a dictionary. Set `away` to have it behave as one that cannot be reached."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], tuple[bytes, Answer | None]] = {}
        self.away = False

    async def begin(self, tenant: str, key: str, fingerprint: bytes) -> Beginning:
        if self.away:
            return Away()
        if (tenant, key) not in self._held:
            self._held[tenant, key] = (fingerprint, None)
            return Begun()
        held, answer = self._held[tenant, key]
        if held != fingerprint:
            return Mismatch()
        return InFlight() if answer is None else answer

    async def finish(self, tenant: str, key: str, fingerprint: bytes, answer: Answer) -> bool:
        if answer.packed() is None:
            await self.abandon(tenant, key, fingerprint)
            return False
        if not self.away:
            self._held[tenant, key] = (fingerprint, answer)
        return not self.away

    async def abandon(self, tenant: str, key: str, fingerprint: bytes) -> None:
        if not self.away and self._held.get((tenant, key)) == (fingerprint, None):
            del self._held[tenant, key]
