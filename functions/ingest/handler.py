"""HTTP in, Kafka out."""

from functions.ingest.routes import routes
from functions.ingest.wiring import wire
from shared.runtime.http import create_app, lambda_handler
from shared.runtime.settings import IngestSettings

app = create_app(routes(wire(IngestSettings.from_environment())))
handler = lambda_handler(app)
