"""What a user of the agent needs of the floor below it, so that it need not reach down itself.

A router acts as a proxy through an agent.  It brings its own way to connect to relays, and judges
their errors; for these it takes the client's names from here.
"""

from simplex_trio.client.router_errors import RouterError
from simplex_trio.client.smp import SMPClient, SMPClientConfig, connect_smp_client
from simplex_trio.client.smp.session import ServiceCertificate, SMPSessionConfig
from simplex_trio.engine.backoff import Backoff
from simplex_trio.engine.timeouts import BACKGROUND, INTERACTIVE, Patience

__all__ = [
    "BACKGROUND",
    "INTERACTIVE",
    "Backoff",
    "Patience",
    "RouterError",
    "SMPClient",
    "SMPClientConfig",
    "SMPSessionConfig",
    "ServiceCertificate",
    "connect_smp_client",
]
