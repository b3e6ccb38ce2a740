"""What can go wrong with the parts, said once."""

from pathlib import Path


class PartFailed(Exception):
    """A part could not be fetched, started or stopped: one sentence that says what to do, and where the log is."""

    def __init__(self, sentence: str, *, log: Path | None = None) -> None:
        super().__init__(f"{sentence} (log: {log})" if log else sentence)
        self.sentence = sentence
        self.log = log
