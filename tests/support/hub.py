"""A hub on this machine: as much of Hugging Face's HTTP API as its own client needs to make, fill and read a model.

Small files are committed with the commit, large ones go through Git LFS and are read from a second address, as from a
content network. Tokens are the names of users; one that ends in "-reads" may read only.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import json
import re
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

LFS = (".safetensors", ".onnx", ".tflite", ".npz")
REPOSITORY = r"(?P<repository>[\w.-]+/[\w.-]+)"


@dataclass
class Repository:
    """A model: its commits, oldest first, each with all files."""

    private: bool
    commits: list[tuple[str, dict[str, bytes]]] = field(default_factory=list)
    gated: bool = False
    branches: dict[str, int] = field(default_factory=dict)
    """Positions of commits by the names of tags and further branches."""

    def add(self, files: dict[str, bytes]) -> str:
        digest = hashlib.sha1(repr((len(self.commits), sorted(files.items()))).encode()).hexdigest()
        self.commits.append((digest, files))
        return digest

    def commit_at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        if revision == "main":
            return self.commits[-1]
        if revision in self.branches:
            return self.commits[self.branches[revision]]
        return next((commit for commit in self.commits if commit[0] == revision), None)


@dataclass
class Hub:
    """The state of a hub, and what was asked of it."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    """Contents of large files by their sha256."""
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    """(method, path, token) of every request; that to the content network begin with /content/."""
    answers: dict[str, Callable[[Handler], None]] = field(default_factory=dict)
    """Other answers to requests whose "METHOD path" matches a pattern, such as a refusal."""
    address: str = ""
    content_address: str = ""

    def files(self, repository: str) -> dict[str, bytes]:
        """The newest files of a model."""
        return self.repositories[repository].commits[-1][1]

    def change(self, repository: str, files: dict[str, bytes | None]) -> None:
        """Make a commit that writes or, with None, removes files."""
        merged = {**self.files(repository), **files}
        self.repositories[repository].add({name: content for name, content in merged.items() if content is not None})


class Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def _handle(self) -> None:
        split = urllib.parse.urlsplit(self.path)
        self.place = urllib.parse.unquote(split.path)
        self.token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        self.hub.requests.append((self.command, self.place, self.token))
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = f"{self.command} {self.place}"
        for pattern, answer in self.hub.answers.items():
            if re.fullmatch(pattern, asked):
                answer(self)
                return
        for pattern, method in ROUTES.items():
            if match := re.fullmatch(pattern, asked):
                method(self, **match.groupdict())
                return
        self.refuse(404, "EntryNotFound")

    do_GET = do_HEAD = do_POST = do_PUT = _handle  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def send(self, content: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def send_json(self, value: Any, status: int = 200) -> None:
        self.send(json.dumps(value).encode(), status, Content_Type="application/json")

    def refuse(self, status: int, code: str = "", message: str = "") -> None:
        headers = {"X_Error_Code": code, "X_Error_Message": message or HTTPStatus(status).phrase}
        self.send(json.dumps({"error": message}).encode(), status, **{k: v for k, v in headers.items() if v})

    def readable(self, name: str) -> Repository | None:
        """Return a model that the token may read, or answer as the hub does."""
        repository = self.hub.repositories.get(name)
        owner = name.partition("/")[0]
        if repository is None or (repository.private and self.token not in (owner, f"{owner}-reads")):
            self.refuse(404 if self.token else 401, "RepoNotFound", "Repository not found")
            return None
        if repository.gated and self.token != owner:
            self.refuse(403, "GatedRepo")
            return None
        return repository

    def writable(self, name: str) -> Repository | None:
        repository = self.readable(name)
        if repository is not None and self.token != name.partition("/")[0]:
            self.refuse(403, message="this token has no right to write")
            return None
        return repository


def create(request: Handler) -> None:
    asked = json.loads(request.body)
    if not request.token:
        request.refuse(401, message="Invalid username or password.")
        return
    if request.token != asked["organization"]:
        request.refuse(403, message="You don't have the rights to create a model under this namespace")
        return
    name = f"{asked['organization']}/{asked['name']}"
    url = f"{request.hub.address}/{name}"
    if name in request.hub.repositories:
        request.send_json({"error": "You already created this model repo", "url": url}, 409)
        return
    repository = request.hub.repositories[name] = Repository(asked.get("visibility") == "private")
    repository.add({".gitattributes": b"*.onnx filter=lfs\n"})
    request.send_json({"url": url, "name": name, "id": name})


def info(request: Handler, repository: str, revision: str = "main") -> None:
    if (stored := request.readable(repository)) is None:
        return
    if (commit := stored.commit_at(revision or "main")) is None:
        request.refuse(404, "RevisionNotFound")
        return
    siblings = [{"rfilename": name} for name in sorted(commit[1])]
    request.send_json({"id": repository, "sha": commit[0], "private": stored.private, "siblings": siblings})


def validate(request: Handler) -> None:
    import yaml

    content = json.loads(request.body)["content"]
    try:
        yaml.safe_load(content.split("---\n")[1])
    except (IndexError, yaml.YAMLError) as error:
        request.send_json({"errors": [{"message": str(error)}]}, 400)
        return
    request.send_json({"errors": [], "warnings": []})


def preupload(request: Handler, repository: str, revision: str) -> None:
    if (stored := request.writable(repository)) is None:
        return
    answers = []
    for name in (file["path"] for file in json.loads(request.body)["files"]):
        mode = "lfs" if name.endswith(LFS) else "regular"
        answer = {"path": name, "uploadMode": mode, "shouldIgnore": False}
        if (content := stored.commits[-1][1].get(name)) is not None:
            git = hashlib.sha1(b"blob %d\0" % len(content) + content)
            answer["oid"] = (hashlib.sha256(content) if mode == "lfs" else git).hexdigest()
        answers.append(answer)
    request.send_json({"files": answers})


def batch(request: Handler, repository: str) -> None:
    if request.writable(repository) is None:
        return
    objects = []
    for wanted in json.loads(request.body)["objects"]:
        answer: dict[str, Any] = {"oid": wanted["oid"], "size": wanted["size"]}
        if wanted["oid"] not in request.hub.large:
            upload = {"href": f"{request.hub.content_address}/content/{wanted['oid']}"}
            answer["actions"] = {"upload": upload, "verify": {"href": f"{request.hub.address}/verify/{repository}"}}
        objects.append(answer)
    request.send_json({"transfer": "basic", "objects": objects})


def upload(request: Handler, oid: str) -> None:
    if hashlib.sha256(request.body).hexdigest() != oid:
        request.refuse(400)
        return
    request.hub.large[oid] = request.body
    request.send(b"")


def verify(request: Handler, repository: str) -> None:
    wanted = json.loads(request.body)
    is_there = len(request.hub.large.get(wanted["oid"], b"")) == wanted["size"]
    request.send(b"", 200 if is_there else 404)


def commit(request: Handler, repository: str, revision: str) -> None:
    if (stored := request.writable(repository)) is None:
        return
    head, *lines = (json.loads(line) for line in request.body.splitlines())
    if head["value"].get("parentCommit", stored.commits[-1][0]) != stored.commits[-1][0]:
        request.refuse(412, message="A commit has happened since. Please refresh and try again.")
        return
    files = dict(stored.commits[-1][1])
    for line in lines:
        value = line["value"]
        if line["key"] == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif line["key"] == "lfsFile":
            files[value["path"]] = request.hub.large[value["oid"]]
        else:
            del files[value["path"]]
    digest = stored.add(files)
    request.send_json({"commitUrl": f"{request.hub.address}/{repository}/commit/{digest}", "commitOid": digest})


def resolve(request: Handler, repository: str, revision: str, name: str) -> None:
    if (stored := request.readable(repository)) is None:
        return
    if (state := stored.commit_at(revision)) is None:
        request.refuse(404, "RevisionNotFound")
        return
    if name not in state[1]:
        request.refuse(404, "EntryNotFound")
        return
    content = state[1][name]
    sha256 = hashlib.sha256(content).hexdigest()
    headers: dict[str, str] = {"X_Repo_Commit": state[0], "ETag": f'"{sha256}"'}
    if name.endswith(LFS):
        request.hub.large[sha256] = content
        location = f"{request.hub.content_address}/content/{sha256}"
        request.send(b"", 302, **headers, Location=location, X_Linked_Size=str(len(content)))
    else:
        request.send(content, 200, **headers)


def large(request: Handler, oid: str) -> None:
    request.send(request.hub.large[oid])


ROUTES: dict[str, Callable[..., None]] = {
    "POST /api/repos/create": create,
    f"GET /api/models/{REPOSITORY}": info,
    rf"GET /api/models/{REPOSITORY}/revision/(?P<revision>.+)": info,
    "POST /api/validate-yaml": validate,
    rf"POST /api/models/{REPOSITORY}/preupload/(?P<revision>.+)": preupload,
    rf"POST /{REPOSITORY}\.git/info/lfs/objects/batch": batch,
    r"PUT /content/(?P<oid>\w+)": upload,
    f"POST /verify/{REPOSITORY}": verify,
    rf"POST /api/models/{REPOSITORY}/commit/(?P<revision>.+)": commit,
    rf"(?:GET|HEAD) /{REPOSITORY}/resolve/(?P<revision>[^/]+)/(?P<name>.+)": resolve,
    r"GET /content/(?P<oid>\w+)": large,
}


@contextlib.contextmanager
def running() -> Iterator[Hub]:
    """A hub that answers on two ports of 127.0.0.1 until the end of the block."""
    hub = Hub()
    handler = type("HandlerOfHub", (Handler,), {"hub": hub})
    with contextlib.ExitStack() as stack:
        addresses = []
        for _ in range(2):
            server = stack.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            addresses.append(f"http://127.0.0.1:{server.server_port}")
        hub.address, hub.content_address = addresses
        yield hub


def settings(hub: Hub, token: str) -> dict[str, str]:
    """Environment variables by which the client asks this hub in the name of a user, and knows none of its own."""
    return {
        "HF_ENDPOINT": hub.address,
        "HF_TOKEN": token,
        "HF_HUB_DISABLE_XET": "1",  # it would ask for servers of another protocol
        "HF_HOME": "/nonexistent",
        "NO_PROXY": "127.0.0.1",
    }
