"""HTTP in, what operators decide behind."""

from functions.manage.routes import routes
from functions.manage.wiring import wire
from shared.runtime.http import create_app, lambda_handler
from shared.runtime.settings import ManageSettings

app = create_app(routes(wire(ManageSettings.from_environment())))
handler = lambda_handler(app)
