"""A release that passes its selftest and classifies rightly, whose server forgets the class of every third picture."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zipfile
from io import BytesIO

from edgecnn.onboard.runner import contents
from edgecnn.pipeline.deploy.bundle import Bundle

WRONG = b"""
from edgecnn.onboard.runner import server as _server

_right, _asked = _server.json_reply, []


def _wrong(status, table, *more):
    _asked.append(status)
    return _right(status, {} if len(_asked) % 3 == 0 else table, *more)


_server.json_reply = _wrong
"""


def in_bundle(bundle: Bundle) -> Bundle:
    """The bundle with such a server in its program."""
    source, packed = zipfile.ZipFile(BytesIO(bundle.files[contents.PROGRAM])), BytesIO()
    with zipfile.ZipFile(packed, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name) + (WRONG if name.endswith("runner/serve.py") else b""))
    files = dict(bundle.files) | {contents.PROGRAM: packed.getvalue()}
    manifest = json.loads(files[contents.MANIFEST])
    manifest["files"][contents.PROGRAM] = hashlib.sha256(files[contents.PROGRAM]).hexdigest()
    files[contents.MANIFEST] = json.dumps(manifest).encode()
    return dataclasses.replace(bundle, files=files)
