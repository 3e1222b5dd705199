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
    return Refused(HTTPStatus.SERVICE_UNAVAILABLE, BUSY, RETRY_AFTER)


def unexpected(error: Exception) -> Reply:
    """The answer to an error of ours, which is said in one line."""
    say(f"error: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    return error_reply(HTTPStatus.INTERNAL_SERVER_ERROR, "an error of the server")


def error_reply(status: HTTPStatus, sentence: str, headers: Mapping[str, str] | None = None) -> Reply:
    return json_reply(status, {"error": sentence}, headers)


def json_reply(status: HTTPStatus, table: dict[str, Any], headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(
        status=status,
        body=documents.to_json(table, None).encode() + b"\n",
        kind="application/json",
        headers=headers or {},
    )
