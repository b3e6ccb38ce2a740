"""HTTP in, cache and read replica behind."""

from functions.query.routes import routes
from functions.query.wiring import wire
from shared.runtime.http import create_app, lambda_handler
from shared.runtime.settings import QuerySettings

app = create_app(routes(wire(QuerySettings.from_environment())))
handler = lambda_handler(app)
