"""The hub's own client: its settings, tokens and addresses are the user's, and its errors become one sentence each.

HF_ENDPOINT names another hub than huggingface.co, and HF_TOKEN or `hf auth login` says who asks. What is downloaded is
bounded in bytes and time.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from edgecnn.common import plugins
from edgecnn.common.hub_place import HubPlace
from edgecnn.errors import EdgecnnError, EnvironmentUnfit, MissingPackage, UsageError

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import ModelInfo

SETTINGS = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_VERBOSITY": "error",
}
"""Settings of the client for this process; it reads them when it is imported."""
TIMEOUT_S = 30
LEAST_BYTES_PER_S = 10_000
"""Least average rate of a download, so that a server which sends a byte a second does not keep us forever."""
BLOCK_BYTES = 1 << 16
_COMMIT = re.compile(r"[0-9a-f]{40}")
NETWORK = "is the network there? HF_ENDPOINT names another hub"
LOGIN = "a private one needs a token of yours: `hf auth login`, or HF_TOKEN"


def connect() -> HfApi:
    """Return the hub's client.

    Raises:
        MissingPackage: It is not installed.
    """
    if find_spec("huggingface_hub") is None:
        raise MissingPackage("huggingface_hub", "hub", "A model on a hub")
    os.environ.update(SETTINGS)
    from huggingface_hub import HfApi

    return HfApi()


def state(api: HfApi, place: HubPlace) -> ModelInfo:
    """Return what stands at a place: its commit and the names of its files.

    Raises:
        EdgecnnError: The hub cannot be reached or refuses, or there is no such place.
    """
    with explained(place):
        info = api.model_info(place.repository, revision=place.revision)
        if not _COMMIT.fullmatch(info.sha or ""):
            raise ValueError(f"{info.sha!r} is no commit")
        return info


def download(place: HubPlace, name: str, most_bytes: int, out: BinaryIO) -> None:
    """Write the content of a file of a repository to `out`, at most so many bytes.

    Raises:
        EdgecnnError: The hub cannot be reached or refuses, the file is not there, larger, or comes too slowly.
    """
    from huggingface_hub import get_session, hf_hub_url
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

    end, received = time.monotonic() + TIMEOUT_S + most_bytes / LEAST_BYTES_PER_S, 0
    with explained(place, name):
        url = hf_hub_url(place.repository, name, revision=place.revision)
        headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
        with get_session().stream("GET", url, headers=headers, follow_redirects=True, timeout=TIMEOUT_S) as response:
            hf_raise_for_status(response)
            for block in response.iter_bytes(BLOCK_BYTES):
                received += len(block)
                if received > most_bytes:
                    raise EnvironmentUnfit(f"{name} of {place} has more than the {most_bytes:,} bytes that it may.")
                if time.monotonic() > end:
                    raise EnvironmentUnfit(f"{name} of {place} comes too slowly: {received:,} bytes so far.")
                out.write(block)


def cached(api: HfApi, place: HubPlace, names: Iterable[str]) -> list[Path]:
    """Return files of a repository in the client's own cache, which they are downloaded into if they are not there.

    If the hub cannot be reached, those that were downloaded last are taken.

    Raises:
        EdgecnnError: The hub cannot be reached and they are not in the cache, or it refuses, or has no such files.
    """
    from huggingface_hub import errors, hf_hub_download

    unreached = None
    try:
        state(api, place)  # the client would try for half a minute
    except EnvironmentUnfit as error:
        unreached = error
    paths = []
    for name in names:
        with explained(place, name):
            try:
                path = hf_hub_download(
                    place.repository, name, revision=place.revision, local_files_only=unreached is not None
                )
            except errors.LocalEntryNotFoundError as error:
                raise unreached or EnvironmentUnfit(f"{name} of {place} did not come.", NETWORK) from error
            paths.append(Path(path))
    return paths


@contextlib.contextmanager
def explained(place: HubPlace, name: str = "") -> Iterator[None]:
    """Turn whatever the hub's client raises inside the block into an error of one sentence.

    Args:
        place: The repository that is asked for.
        name: The file in it.
    """
    try:
        yield
    except EdgecnnError:
        raise
    except Exception as error:
        if (known := _explanation(error, place, name)) is None:
            raise
        raise known from error


def _explanation(error: BaseException, place: HubPlace, name: str) -> EdgecnnError | None:
    """Return the error to show; None for one of this machine's disk, or of nobody."""
    from httpx2 import HTTPError
    from huggingface_hub import constants, errors

    hub = constants.ENDPOINT
    if isinstance(error, RuntimeError) and error.__cause__ is not None:  # an upload wraps what went wrong
        return _explanation(error.__cause__, place, name)
    if isinstance(error, errors.OfflineModeIsEnabled):
        return EnvironmentUnfit("HF_HUB_OFFLINE is set, so no hub is asked.", "unset it")
    if isinstance(error, errors.HFValidationError):
        return UsageError(f"{place} is no address that a hub takes: {plugins.reason(error)}.")
    if isinstance(error, errors.RevisionNotFoundError):
        return UsageError(
            f"{place} has no such revision.", "a branch, a tag or a commit; without one, its newest state"
        )
    if isinstance(error, errors.GatedRepoError):
        return EnvironmentUnfit(f"{place} is gated, and not open to you.", f"ask on its page to be let in; {LOGIN}")
    if isinstance(error, errors.RepositoryNotFoundError):
        return UsageError(f"{hub} has no model {place} that you may see.", LOGIN)
    if isinstance(error, errors.EntryNotFoundError):
        return UsageError(f"{place} holds no {name or 'such file'}.", "`edgecnn push` puts a whole run there")
    if isinstance(error, errors.HfHubHTTPError):
        return _refusal(error.response.status_code, error.server_message, place, hub)
    if isinstance(error, HTTPError):
        return EnvironmentUnfit(f"Cannot reach {hub}: {plugins.reason(error)}.", NETWORK)
    if isinstance(error, ValueError | KeyError | TypeError):
        return EnvironmentUnfit(f"{hub} does not answer as a hub does: {plugins.reason(error)}.")
    return None


def _refusal(status: int, message: str | None, place: HubPlace, hub: str) -> EdgecnnError:
    """Return the error for an answer that says no."""
    said = f": {' '.join(message.split())[:200].rstrip('.')}" if message else ""
    if status == 401:
        return EnvironmentUnfit(f"{hub} does not know who you are{said}.", "`hf auth login`, or a token in HF_TOKEN")
    if status == 403:
        return EnvironmentUnfit(f"Your token may not do that with {place}{said}.", "it needs the right to write there")
    if status in (409, 412):
        return EnvironmentUnfit(f"{place} was changed by somebody else meanwhile{said}.", "push again")
    if status == 429:
        return EnvironmentUnfit(f"{hub} asks to come again later{said}.")
    return EnvironmentUnfit(f"{hub} answers {status} for {place}{said}.", "try again later")
