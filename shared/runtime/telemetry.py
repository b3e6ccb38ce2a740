"""What an environment says of itself: one JSON line a request or batch, and one for each error.

An entry is an event name, dotted and constant, with fields.
"""

import logging

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

logger = Logger(utc=True)

# Adapters cannot know of this module: their own loggers hang below `shared`, and write the same lines.
logging.getLogger("shared")
copy_config_to_registered_loggers(logger, include={"shared"})
