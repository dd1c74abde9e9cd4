"""Log lines of a router in service: JSON for programs, words for people."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from enum import Enum

from simplex_trio.cli.output import harmless

__all__ = ["LogFormat", "log_to_stderr"]

_PACKAGE = "simplex_trio"


class LogFormat(Enum):
    """How a log line is written."""

    JSON = "json"
    TEXT = "text"


class _JSONLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


class _TextLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return harmless(super().format(record))


def log_to_stderr(log_format: LogFormat | None, *, verbose: bool) -> None:
    """Write what this package logs to standard error; as text on a terminal unless told."""
    if log_format is None:
        log_format = LogFormat.TEXT if sys.stderr.isatty() else LogFormat.JSON
    handler = logging.StreamHandler()
    if log_format is LogFormat.JSON:
        handler.setFormatter(_JSONLines())
    else:
        handler.setFormatter(_TextLines("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger(_PACKAGE)
    logger.handlers = [handler]
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    logger.propagate = False
