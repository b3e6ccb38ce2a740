"""Jobs, a step at a time."""

from functions.jobs.wiring import wire
from shared.runtime.jobs import step_handler
from shared.runtime.settings import JobsSettings

handler = step_handler(wire(JobsSettings.from_environment()))
