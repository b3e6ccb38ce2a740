"""The log file of one environment: the function and the platform append to it, and each invocation reads its part."""

from pathlib import Path

LIMIT_BYTES = 16 * 1024 * 1024
"""A file is emptied when an invocation ends above this: a host under load would else fill the disk."""


class Journal:
    """Everything that one environment has written, function and platform, in one order.

    The file is opened anew each time, some 15 us, so that an idle environment holds none.
    """

    def __init__(self, path: Path) -> None:
        """Begin at the end of the file, which is made where it is missing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self.path = path
        self._told = path.stat().st_size

    def write(self, text: str) -> None:
        """Append the platform's own words."""
        with self.path.open("ab", buffering=0) as file:
            file.write(text.encode())

    def untold(self) -> str:
        """What was written since `tell` was last called."""
        return _text(self._read())

    def tell(self) -> str:
        """The same, and it will not be told again."""
        data = self._read()
        self._told += len(data)
        if self._told > LIMIT_BYTES:
            self.path.write_bytes(b"")
            self._told = 0
        return _text(data)

    def _read(self) -> bytes:
        with self.path.open("rb", buffering=0) as file:
            file.seek(self._told)
            return file.readall()


def _text(data: bytes) -> str:
    """As CloudWatch shows it: runtimes part the lines of one event by a carriage return alone."""
    return data.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
