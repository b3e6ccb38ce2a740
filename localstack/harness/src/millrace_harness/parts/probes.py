"""Questions to servers in their own protocols, small enough to need no client library."""

import socket
import struct

TIMEOUT_SECONDS = 2
PROTOCOL_3 = 196608  # PostgreSQL's protocol version 3.0
METADATA, VERSION_1, CORRELATION = 3, 1, 1  # of Kafka's request header


def ask(port: int, message: bytes, size: int) -> bytes:
    """Send `message`, and return the first `size` bytes of the answer, or fewer where the server hangs up.

    Raises:
        OSError: nobody listens, or the answer takes longer than 2 s.
    """
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as connection:
        connection.settimeout(TIMEOUT_SECONDS)
        connection.sendall(message)
        answer = b""
        while len(answer) < size and (more := connection.recv(size - len(answer))):
            answer += more
        return answer


def postgres_answers(port: int, database: str) -> bool:
    """True when the server asks for the password (`R`); while it starts or recovers it answers with an error (`E`)."""
    body = struct.pack(">i", PROTOCOL_3) + f"user\0millrace\0database\0{database}\0\0".encode()
    return ask(port, struct.pack(">i", len(body) + 4) + body, 1) == b"R"


def kafka_brokers(port: int) -> int:
    """How many brokers this one knows to be alive: Metadata version 1 for no topics, whose answer starts with that."""
    header = struct.pack(">hhih", METADATA, VERSION_1, CORRELATION, 1) + b"m"
    body = header + struct.pack(">i", 0)
    answer = ask(port, struct.pack(">i", len(body)) + body, 12)  # size, correlation, number of brokers
    return int(struct.unpack(">i", answer[8:])[0]) if len(answer) == 12 else 0


def valkey_answers(port: int) -> bool:
    """True when it answers a PING."""
    return ask(port, b"PING\r\n", 5) == b"+PONG"
