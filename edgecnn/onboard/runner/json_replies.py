"""The server's replies in JSON: a table, or an error in one sentence."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from edgecnn.common import documents
from edgecnn.common.escapes import say
from edgecnn.onboard.runner.http1 import Refused, Reply

BUSY = "too many pictures are waiting"
RETRY_AFTER = {"Retry-After": "1"}


def busy() -> Refused:
    """Return the refusal of a picture for which there is no room."""
    return Refused(HTTPStatus.SERVICE_UNAVAILABLE, BUSY, RETRY_AFTER)


def unexpected(error: Exception) -> Reply:
    """Report an error of this program on stderr, and return the reply to it."""
    say(f"error: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    return error_reply(HTTPStatus.INTERNAL_SERVER_ERROR, "an error of the server")


def error_reply(status: HTTPStatus, sentence: str, headers: Mapping[str, str] | None = None) -> Reply:
    """Return an error, said in one sentence."""
    return json_reply(status, {"error": sentence}, headers)


def json_reply(status: HTTPStatus, table: dict[str, Any], headers: Mapping[str, str] | None = None) -> Reply:
    """Return a table as JSON."""
    return Reply(
        status=status,
        body=documents.to_json(table, None).encode() + b"\n",
        kind="application/json",
        headers=headers or {},
    )
