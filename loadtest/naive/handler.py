"""The two write routes as most teams would write them: the yardstick of the benchmark. See README.md beside it."""

import asyncio
import hashlib
import hmac
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import boto3
from aiokafka import AIOKafkaProducer
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from mangum import Mangum
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

TOPIC = "events"

logger = Logger()
metrics = Metrics()
tracer = Tracer()
# Where the API key would be read from. Nothing is read here: the key's hash comes with the environment, as for ours.
secrets = boto3.client("secretsmanager")


class EventIn(BaseModel):
    """One event as a client sends it."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(min_length=1, max_length=255)
    data: dict[str, Any]
    id: str = Field(default_factory=lambda: str(uuid.uuid4()), min_length=1, max_length=255)
    source: str = Field(default="/v1/events", min_length=1, max_length=1024)
    subject: str | None = Field(default=None, min_length=1, max_length=1024)
    time: AwareDatetime | None = None
    key: str | None = Field(default=None, min_length=1, max_length=1024)


class BatchIn(BaseModel):
    """Up to 1,000 events."""

    model_config = ConfigDict(extra="forbid")

    events: list[EventIn] = Field(min_length=1, max_length=1000)


class EventRecord(BaseModel):
    """One event as it is written to Kafka."""

    event: EventIn
    tenant: str
    principal: str
    received_at: AwareDatetime


class Receipt(BaseModel):
    """Where one event lies in the log."""

    id: str
    status: str = "accepted"
    topic: str
    partition: int
    offset: int


class BatchOut(BaseModel):
    """The receipts of a batch, in its order."""

    accepted: int
    results: list[Receipt]


class User(BaseModel):
    """Who sends."""

    name: str
    tenant: str


_producer: AIOKafkaProducer | None = None


async def get_producer() -> AIOKafkaProducer:
    """The environment's producer, connected at the first call."""
    global _producer
    if _producer is None:
        producer = AIOKafkaProducer(
            bootstrap_servers=os.environ["KAFKA_BOOTSTRAP"],
            acks="all",
            enable_idempotence=True,
            compression_type="lz4",
        )
        await producer.start()
        _producer = producer
    return _producer


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Startup. Mangum runs it around every request, so the producer is kept, and never stopped."""
    app.state.producer = await get_producer()
    yield


app = FastAPI(title="Events", lifespan=lifespan)
bearer = HTTPBearer()


async def get_user(credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> User:
    """The user whose API key was sent."""
    digest = hashlib.sha256(credentials.credentials.encode()).hexdigest()
    if not hmac.compare_digest(digest, os.environ["API_KEY_SHA256"]):
        raise HTTPException(status_code=401, detail="Invalid API key")
    return User(name="development-key", tenant="demo")


CurrentUser = Annotated[User, Depends(get_user)]
Producer = Annotated[AIOKafkaProducer, Depends(get_producer)]


async def publish(producer: AIOKafkaProducer, event: EventIn, user: User, now: datetime) -> Receipt:
    """Stamp `event`, write it, and wait for the broker."""
    record = EventRecord(event=event, tenant=user.tenant, principal=user.name, received_at=now)
    key = f"{user.tenant}/{event.key or event.subject or event.id}".encode()
    metadata = await producer.send_and_wait(TOPIC, record.model_dump_json().encode(), key=key)
    return Receipt(id=event.id, topic=metadata.topic, partition=metadata.partition, offset=metadata.offset)


@app.post("/v1/events", status_code=202, response_model=Receipt)
async def post_event(event: EventIn, user: CurrentUser, producer: Producer) -> Receipt:
    """Write one event."""
    receipt = await publish(producer, event, user, datetime.now(UTC))
    metrics.add_metric(name="EventsAccepted", unit=MetricUnit.Count, value=1)
    logger.info("event accepted", event_id=receipt.id, tenant=user.tenant)
    return receipt


@app.post("/v1/events/batch", status_code=202, response_model=BatchOut)
async def post_batch(batch: BatchIn, user: CurrentUser, producer: Producer) -> BatchOut:
    """Write many events at once."""
    now = datetime.now(UTC)
    receipts = await asyncio.gather(*(publish(producer, event, user, now) for event in batch.events))
    metrics.add_metric(name="EventsAccepted", unit=MetricUnit.Count, value=len(receipts))
    logger.info("batch accepted", events=len(receipts), tenant=user.tenant)
    return BatchOut(accepted=len(receipts), results=receipts)


adapter = Mangum(app)


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Lambda's entry."""
    return adapter(event, context)  # type: ignore[arg-type]  # Mangum's own protocol wants attributes that can be set
