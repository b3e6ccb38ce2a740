"""The clock in, storage and its figures in order."""

from functions.maintain.wiring import wire
from shared.runtime.schedule import schedule_handler
from shared.runtime.settings import MaintainSettings

handler = schedule_handler(wire(MaintainSettings.from_environment()))
