"""Native parts of a laptop's AWS: Kafka, PostgreSQL with replica and poolers, Valkey.

No Docker and no root: programs come from package registries into one cache, and run as plain processes on 127.0.0.1.
`Stack` is the door; `Part` is what another part is made of.
"""

from millrace_harness.parts.endpoints import Endpoints
from millrace_harness.parts.errors import PartFailed
from millrace_harness.parts.part import Part, Report, Server
from millrace_harness.parts.paths import Paths
from millrace_harness.parts.supervisor import Stack

__all__ = ["Endpoints", "Part", "PartFailed", "Paths", "Report", "Server", "Stack"]
