"""How a verb fails: with one sentence."""

from pathlib import Path


class Failed(Exception):
    """A step cannot be done. The message is one sentence that says what to do, and where the log is if there is one."""

    def __init__(self, sentence: str, *, log: Path | None = None) -> None:
        super().__init__(f"{sentence} The log is {log}" if log else sentence)
        self.log = log
