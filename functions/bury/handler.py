"""Dead letters in, PostgreSQL out."""

from functions.bury.wiring import wire
from shared.runtime.batch import batch_handler
from shared.runtime.settings import BurySettings

handler = batch_handler(wire(BurySettings.from_environment()))
