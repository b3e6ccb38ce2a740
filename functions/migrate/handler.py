"""Schema and topics, brought up to date by the deploy before anything needs them."""

from functions.migrate.wiring import wire
from shared.runtime.deployment import deployment_handler
from shared.runtime.settings import MigrateSettings

handler = deployment_handler("migrate", wire(MigrateSettings.from_environment()))
