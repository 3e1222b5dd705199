"""`edgecnn pull`: fetches a run that `edgecnn push` has put on a hub, checks it, and puts it in place as a whole.

Nothing of it is executed. The revision is fixed to a commit first, so that all files are of one state; the manifest
says which files there are, and what is not named in it is not fetched.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from edgecnn.common import console, files, hub_client, scratch
from edgecnn.common.documents import Unreadable
from edgecnn.common.hub_place import HubPlace
from edgecnn.errors import EdgecnnError, EnvironmentUnfit, OutputError, PlanError, RunError
from edgecnn.pipeline.hub import manifest
from edgecnn.pipeline.hub.manifest import HubFile, HubManifest
from edgecnn.records import exported, names
from edgecnn.records.run import Run, open_run


def pull(place: HubPlace, folder: Path) -> Run:
    """Pull a run into a folder that is not there yet.

    Raises:
        RunError: The folder is there, or what stands on the hub is no run, or not what its manifest says.
        UsageError: There is no such repository or revision, or no folder can have the name.
        EnvironmentUnfit: The hub cannot be reached, or refuses.
        OutputError: The run cannot be written.
    """
    names.require(folder.name, "the folder's name")
    if folder.exists() or folder.is_symlink():
        raise RunError(f"{folder} is there already.", "name another folder with --output")
    api = hub_client.connect()
    fixed = replace(place, revision=hub_client.state(api, place).sha)
    whole = _manifest(fixed)
    console.note(f"{len(whole.files)} files, {whole.bytes / 1e3:,.0f} kB, of {fixed}")
    files.make_folder(folder.parent)
    with scratch.folder(folder.parent) as temporary:
        staged = temporary / "run"
        for name, file in whole.files.items():
            _fetch(fixed, name, file, staged / name)
        _require_whole(staged, place)
        try:
            staged.rename(folder)
        except OSError as error:
            raise OutputError(f"Cannot put the run at {folder}: {error.strerror or error}.") from error
        files.flush(folder.parent)
    return open_run(folder)


def _manifest(place: HubPlace) -> HubManifest:
    content = io.BytesIO()
    hub_client.download(place, manifest.FILE, manifest.LARGEST_MANIFEST, content)
    try:
        return manifest.parse(content.getvalue())
    except (Unreadable, PlanError) as error:
        reason = str(error).rstrip(".")
        raise RunError(f"{place} is no run of edgecnn: {manifest.FILE} is not what it should be ({reason}).") from error


def _fetch(place: HubPlace, name: str, file: HubFile, path: Path) -> None:
    """Download a file and check it. Raises EnvironmentUnfit if it is not the one that the manifest names."""
    files.make_folder(path.parent)
    with path.open("wb") as out:
        hub_client.download(place, name, file.bytes, out)
    if path.stat().st_size != file.bytes or files.sha256(path) != file.sha256:
        raise EnvironmentUnfit(
            f"{name} of {place} is not the file that its manifest names: size or sha256 differ.",
            "pull it again; if that does not help, its owner can push it again",
        )
    files.flush(path)


def _require_whole(folder: Path, place: HubPlace) -> None:
    """Raise RunError unless run and cards can be read, and belong to each other."""
    try:
        if not exported.cards(open_run(folder)):
            raise RunError("it holds no model file with a card.")
    except EdgecnnError as error:
        sentence = error.sentence.replace(f"{folder}/", "").replace(str(folder), "it").rstrip(".")
        raise RunError(f"{place} is no whole run: {sentence}.", "its owner can push it again") from error
