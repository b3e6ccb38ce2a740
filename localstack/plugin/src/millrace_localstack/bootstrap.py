"""What `cdk bootstrap` leaves behind, made in a fraction of its 8 to 15 seconds.

The command line asks for two things: the version in the parameter store, and the bucket it uploads zips to. The roles
that the real bootstrap makes are assumed by name only, which LocalStack grants without them being there.
"""

import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor

from localstack.aws.connect import connect_to
from localstack.constants import DEFAULT_AWS_ACCOUNT_ID
from localstack.http import Response
from localstack.services.edge import ROUTER
from localstack.services.plugins import SERVICE_PLUGINS
from werkzeug import Request

LOG = logging.getLogger(__name__)

QUALIFIER = "hnb659fds"  # of the CDK's DefaultStackSynthesizer
VERSION = "30"  # of the bootstrap template; the command line of 2026-11 wants 6 or more
WAIT_SECONDS = 2  # one question that waits costs less than a hundred that do not
SERVICES = ("cloudformation", "iam", "sts", "logs", "apigateway", "lambda", "sqs")

_ready = threading.Event()


def serve() -> None:
    """Answer at `/_millrace/ready`: 200 as soon as `prepare` has done its work, 503 after two seconds without that."""
    ROUTER.add("/_millrace/ready", _answer)  # type: ignore[arg-type]  # a path without variables gives none


def prepare() -> None:
    """Make the bucket and the parameter, and load what a deployment uses, so that its first requests need not wait."""
    region = os.environ["AWS_DEFAULT_REGION"]
    with ThreadPoolExecutor(2) as pool:
        works = [pool.submit(_make_bucket, region), pool.submit(_put_version, region)]
        works += [pool.submit(SERVICE_PLUGINS.require, service) for service in SERVICES]
        for work in works:
            work.result()
    _ready.set()


def _make_bucket(region: str) -> None:
    name = f"cdk-{QUALIFIER}-assets-{DEFAULT_AWS_ACCOUNT_ID}-{region}"
    connect_to(region_name=region).s3.create_bucket(Bucket=name)


def _put_version(region: str) -> None:
    connect_to(region_name=region).ssm.put_parameter(
        Name=f"/cdk-bootstrap/{QUALIFIER}/version", Value=VERSION, Type="String", Overwrite=True
    )


def _answer(_: Request) -> Response:
    return Response(status=200 if _ready.wait(WAIT_SECONDS) else 503)
