"""Kafka in, PostgreSQL out."""

from functions.persist.wiring import wire
from shared.runtime.batch import batch_handler
from shared.runtime.settings import PersistSettings

handler = batch_handler(wire(PersistSettings.from_environment()))
