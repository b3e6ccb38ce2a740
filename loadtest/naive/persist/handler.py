"""The consumer as most teams would write it: the yardstick of `loadtest.persist`. See README.md in the folder above."""

import asyncio
import os
import uuid
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.kafka_event import KafkaEventRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import DateTime, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

logger = Logger()
metrics = Metrics()
processor = BatchProcessor(event_type=EventType.Kafka)

engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://"),
    connect_args={"statement_cache_size": 0, "prepared_statement_cache_size": 0},  # behind a pooler
)
Session = async_sessionmaker(engine, expire_on_commit=False)
loop = asyncio.new_event_loop()


class EventIn(BaseModel):
    """One event as a client sent it."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(min_length=1, max_length=255)
    data: dict[str, Any]
    id: str = Field(min_length=1, max_length=255)
    source: str = Field(min_length=1, max_length=1024)
    subject: str | None = Field(default=None, min_length=1, max_length=1024)
    time: AwareDatetime | None = None
    key: str | None = Field(default=None, min_length=1, max_length=1024)


class EventRecord(BaseModel):
    """One event as it was written to Kafka."""

    event: EventIn
    tenant: str
    principal: str
    received_at: AwareDatetime


class Base(DeclarativeBase):
    """All tables."""


class EventRow(Base):
    """One stored event."""

    __tablename__ = "naive_events"

    key: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    principal: Mapped[str]
    id: Mapped[str]
    source: Mapped[str]
    type: Mapped[str]
    subject: Mapped[str | None]
    time: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)
    partition: Mapped[int]
    offset: Mapped[int]


rows: list[EventRow] = []


def record_handler(record: KafkaEventRecord) -> None:
    """Validate one record. What is wrong with it, the processor notes."""
    message = EventRecord.model_validate_json(record.decoded_value)
    event = message.event
    rows.append(
        EventRow(
            key=uuid.uuid5(uuid.NAMESPACE_URL, f"{message.tenant}{event.source}{event.id}"),
            tenant=message.tenant,
            principal=message.principal,
            id=event.id,
            source=event.source,
            type=event.type,
            subject=event.subject,
            time=event.time,
            received_at=message.received_at,
            data=event.data,
            partition=record.partition,
            offset=record.offset,
        )
    )


async def save() -> None:
    """Store the batch; where a part of it came again, only what is new."""
    try:
        async with Session() as session:
            session.add_all(rows)
            await session.commit()
    except IntegrityError:
        async with Session() as session:
            wanted = {row.key: row for row in rows}
            known = await session.scalars(select(EventRow.key).where(EventRow.key.in_(wanted)))
            new = wanted.keys() - set(known)
            session.add_all([await session.merge(wanted[key]) for key in new])
            await session.commit()


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Lambda's entry."""
    rows.clear()
    answer = process_partial_response(event=event, record_handler=record_handler, processor=processor, context=context)
    loop.run_until_complete(save())
    metrics.add_metric(name="EventsStored", unit=MetricUnit.Count, value=len(rows))
    logger.info("batch stored", events=len(rows))
    return answer
