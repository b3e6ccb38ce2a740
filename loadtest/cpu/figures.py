"""Figures of both, and what they are held to."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: a quantity of which less is better, for both.

    `times`: how many times less than the twin it is meant to be; `below`: what it is meant to stay under.
    """

    name: str
    unit: str
    ours: Sequence[float]
    naive: Sequence[float]
    times: float | None = None
    below: float | None = None

    @property
    def ratio(self) -> float:
        """How many times ours the twin's best is."""
        return min(self.naive) / min(self.ours)

    @property
    def missed(self) -> list[str]:
        """What it falls short of. Noise only ever adds, so the best of the rounds is held to it."""
        found = []
        if self.times is not None and self.ratio < self.times:
            found.append(f"{self.name}: {self.ratio:.1f}x, meant to be {self.times:g}x")
        if self.below is not None and min(self.ours) > self.below:
            found.append(f"{self.name}: {min(self.ours):.4g} {self.unit}, meant to be below {self.below:g}")
        return found

    @property
    def line(self) -> str:
        """The best and, where there are several, the median in brackets."""
        goals = [f"{self.times:g}x"] if self.times is not None else []
        goals += [f"< {self.below:g}"] if self.below is not None else []
        told = f"{_told(self.ours):>18} | {_told(self.naive):>18} | {self.ratio:5.1f}x | {', '.join(goals):<12}"
        verdict = "" if not goals else "missed" if self.missed else "met"
        return f"| {self.name:<42} | {self.unit:<6} | {told} | {verdict:<6} |"


HEAD = (
    f"| {'what':<42} | {'unit':<6} | {'ours':>18} | {'naive':>18} | {'ratio':>6} | {'goal':<12} | {'':<6} |\n"
    f"|{'-' * 44}|{'-' * 8}|{'-' * 19}:|{'-' * 19}:|{'-' * 7}:|{'-' * 14}|{'-' * 8}|"
)


def _told(rounds: Sequence[float]) -> str:
    best = _rounded(min(rounds))
    return best if len(rounds) == 1 else f"{best} ({_rounded(median(rounds))})"


def _rounded(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
