"""Nothing of a running stack can be reached from another machine."""

import os

import httpx
import psutil

from millrace_harness.parts.supervisor import Stack


def test_every_socket_that_listens_is_on_loopback(api: httpx.Client, parts: Stack) -> None:
    assert api.get("/health/live").status_code == 200
    port = httpx.URL(os.environ["AWS_ENDPOINT_URL"]).port
    gateway = next(
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
    )
    roots = {report.pid for report in parts.report() if report.pid} | {gateway}
    family = {child.pid for root in roots for child in psutil.Process(root).children(recursive=True)} | roots
    listening = [
        connection.laddr.ip
        for connection in psutil.net_connections("inet")
        if connection.pid in family and connection.laddr and connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= len(roots)
    assert set(listening) == {"127.0.0.1"}
