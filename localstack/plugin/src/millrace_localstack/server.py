"""The gateway on loopback: LocalStack's own server ignores the host it is told and listens on every interface."""

from typing import Any

from localstack import config
from localstack.aws.serving.twisted import TLSMultiplexerFactory
from localstack.runtime.server.twisted import TwistedRuntimeServer
from rolo.gateway import Gateway
from rolo.serving.twisted import TwistedGateway
from twisted.internet import endpoints, reactor, ssl


class LoopbackServer(TwistedRuntimeServer):
    """The same server, bound to the hosts it is told."""

    def register(
        self,
        gateway: Gateway,
        listen: list[config.HostAndPort],
        ssl_creds: tuple[str, str] | None = None,
    ) -> None:
        """Serve `gateway` on each of `listen`, in plain text and TLS, as the server of LocalStack does.

        Raises:
            ValueError: a host is no IPv4 loopback address.
        """
        site: Any = TwistedGateway(gateway)
        if ssl_creds:
            certificate, key = ssl_creds
            context = ssl.DefaultOpenSSLContextFactory(key, certificate)
            context.getContext().use_certificate_chain_file(certificate)
            site = TLSMultiplexerFactory(context, False, site)
        for place in listen:
            if not place.host.startswith("127."):
                raise ValueError(f"GATEWAY_LISTEN must be on 127.0.0.1, not {place.host}")
            endpoints.TCP4ServerEndpoint(reactor, place.port, interface=place.host).listen(site)
