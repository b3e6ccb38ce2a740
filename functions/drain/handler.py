"""The spool in, Kafka out."""

from functions.drain.wiring import wire
from shared.runtime.queue import queue_handler
from shared.runtime.settings import DrainSettings

handler = queue_handler(wire(DrainSettings.from_environment()))
