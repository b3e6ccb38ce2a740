"""Free ports on loopback."""

import random
import socket
from pathlib import Path

LOWEST, HIGHEST, TRIES = 15_000, 32_000, 200


def is_free(port: int) -> bool:
    """True when a server could listen on it now. Connections in TIME_WAIT do not count."""
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(avoid: set[int]) -> int:
    """A free port that is not in `avoid`.

    From below the kernel's ephemeral range, whose ports any outgoing connection may take between this choice and the
    server's bind; at random, so that two supervisors that choose at once seldom choose the same.
    """
    highest = min(HIGHEST, _ephemeral_lowest() - 1)
    for _ in range(TRIES if highest > LOWEST else 0):
        port = random.randint(LOWEST, highest)  # noqa: S311 - not a secret
        if port not in avoid and is_free(port):
            return port
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return int(any_port.getsockname()[1])


def _ephemeral_lowest() -> int:
    return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
