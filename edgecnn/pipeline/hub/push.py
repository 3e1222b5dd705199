"""`edgecnn push`: sends what of a run can be deployed, and how it was made, to a hub, in one commit."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from edgecnn import __version__
from edgecnn.common import arrays, config, console, files, hub_client
from edgecnn.common.documents import Unreadable
from edgecnn.common.hub_place import HubPlace
from edgecnn.errors import PlanError, RunError, UsageError
from edgecnn.onboard import golden
from edgecnn.pipeline.hub import manifest, model_card
from edgecnn.pipeline.hub.manifest import HubFile, HubManifest
from edgecnn.records import artifact as artifacts
from edgecnn.records import exported, model_files, plans, settling, verdicts
from edgecnn.records.artifact import Artifact
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import Run, open_run, reads_exports

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import ModelInfo

README = "README.md"
OF_EVERY_REPOSITORY = (".gitattributes", README)
LARGEST_README = 1 << 20

Content = bytes | Path
"""What a file holds, or where it lies."""


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """A run on a hub."""

    address: str
    """hf://user/name@commit, which pulls exactly this."""
    url: str
    commit: str
    private: bool
    files: int
    bytes: int


@reads_exports
def push(
    folder: Path, place: HubPlace, public: bool = False, licence: str | None = None, strict: bool = False
) -> Pushed:
    """Push a run.

    Its repository is made if there is none, and what an earlier push left there and this run lacks is removed. Paths of
    this machine are shortened in the recipe.

    Args:
        folder: The run's folder.
        place: Where to push it.
        public: Whether a repository that is made can be seen by everybody; one that is there stays what it is.
        licence: The licence of the model, in the hub's words, such as "apache-2.0"; the model card says none without.
        strict: Whether a file whose check cannot tell is refused; otherwise it is a warning.

    Raises:
        RunError: Nothing was exported from the run.
        GateFailed: A file did not pass its check.
        Undecided: The check of a file cannot tell, and `strict` is set.
        UsageError: The place has a revision, or holds something else than a run.
        EnvironmentUnfit: The hub cannot be reached, or refuses.
    """
    if place.revision:
        raise UsageError(f"{place} names a revision, and a push makes a new one.", f"hf://{place.repository}")
    run = open_run(folder)
    cards = exported.cards(run)
    if not cards:
        raise RunError(f"Nothing was exported from {folder}.", f"edgecnn export {folder}")
    checked = [verdicts.gate(card.name, card.verdict) for card in cards if card.verdict is not None]
    settling.settle(checked, strict, "export it again", "more test pictures would tell: export it again with them")
    api = hub_client.connect()
    held = contents(run, cards)
    card = model_card.write(run, cards, place, licence).encode()
    whole = _manifest(held, card)
    shown = f", among them {count} test pictures in golden.npz" if (count := _pictures(run)) else ""
    console.note(f"{len(held)} files, {whole.bytes / 1e3:,.0f} kB{shown}, to {place}")
    with hub_client.explained(place):
        api.create_repo(place.repository, private=not public, exist_ok=True)
        info = hub_client.state(api, place)
        _require_ours(info, place)
        sent = {**held, manifest.FILE: manifest.dump(whole), README: card}
        if not _is_readme_ours(info, place):
            console.note(f"{README} was written by a person there, and stays as it is")
            del sent[README]
        commit = _commit(api, place, info, sent)
    if public and info.private:
        console.warn(f"{place} was there before, and stays private: its page can make it public.")
    return Pushed(
        address=str(replace(place, revision=commit)),
        url=f"{api.endpoint}/{place.repository}",
        commit=commit,
        private=bool(info.private),
        files=len(held),
        bytes=whole.bytes,
    )


def contents(run: Run, cards: list[Artifact]) -> dict[str, Content]:
    """Return the files of a run that are pushed, by their paths in its folder."""
    names = [name for name in manifest.OF_A_RUN if (run.folder / name).is_file()]
    for card in cards:
        beside = model_files.files_beside(card.path)
        names += [f"artifacts/{name}" for name in (card.name, artifacts.card_path(card.path).name, *beside)]
    names += [f"artifacts/{name}" for name in manifest.BESIDE_MODELS if (run.artifacts / name).is_file()]
    held: dict[str, Content] = {name: run.folder / name for name in names}
    held["recipe.toml"] = plans.dump(_without_own_paths(run.recipe)).encode()
    return held


def _pictures(run: Run) -> int:
    """Return how many pictures of the data set a run's golden vectors hold, which whoever pushes them should know."""
    try:
        return len(arrays.read(run.artifacts / golden.FILE, (golden.IMAGES,))[golden.IMAGES])
    except Unreadable:
        return 0


def _manifest(held: Mapping[str, Content], card: bytes) -> HubManifest:
    """Return the manifest of the files. Raises RunError if they are none that can be pulled again."""
    try:
        return HubManifest(
            edgecnn=__version__,
            files={name: _described(content) for name, content in sorted(held.items())},
            readme_sha256=hashlib.sha256(card).hexdigest(),
        )
    except ValueError as error:
        raise RunError(f"That run cannot be pushed: {error}.") from error


def _described(content: Content) -> HubFile:
    if isinstance(content, bytes):
        return HubFile(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
    return HubFile(sha256=files.sha256(content), bytes=content.stat().st_size)


def _without_own_paths(recipe: Recipe) -> Recipe:
    """Return the recipe with absolute paths cut down to their last part: others should not read this machine's."""

    def cut(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: cut(item) for key, item in value.items()}
        if isinstance(value, list):
            return [cut(item) for item in value]
        return PurePath(value).name if isinstance(value, str) and value.startswith(("/", "~")) else value

    return config.build(Recipe, cut(config.table_of(recipe)), "the recipe")


def _require_ours(info: ModelInfo, place: HubPlace) -> None:
    """Raise UsageError if the repository holds something else than a run."""
    there = _names(info)
    strange = sorted(there - {*OF_EVERY_REPOSITORY})
    if strange and manifest.FILE not in there:
        raise UsageError(f"{place} holds {strange[0]}, and no run of edgecnn.", "push to another name")


def _is_readme_ours(info: ModelInfo, place: HubPlace) -> bool:
    """Return whether README.md is missing there, or is as it was generated."""
    there = _names(info)
    if README not in there or manifest.FILE not in there:
        return README not in there
    readme = _fetched(place, info, README, LARGEST_README)
    try:
        before = manifest.parse(_fetched(place, info, manifest.FILE, manifest.LARGEST_MANIFEST))
    except (Unreadable, PlanError):
        return False
    return hashlib.sha256(readme).hexdigest() == before.readme_sha256


def _commit(api: HfApi, place: HubPlace, info: ModelInfo, sent: Mapping[str, Content]) -> str:
    """Commit the files, remove those of an earlier run, and return the commit."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    gone = sorted(name for name in _names(info) if manifest.is_of_a_run(name) and name not in sent)
    operations = [
        *(CommitOperationAdd(name, content) for name, content in sent.items()),
        *(CommitOperationDelete(name) for name in gone),
    ]
    message = f"Push by edgecnn {__version__}"
    return str(api.create_commit(place.repository, operations, commit_message=message, parent_commit=info.sha).oid)


def _names(info: ModelInfo) -> set[str]:
    return {sibling.rfilename for sibling in info.siblings or ()}


def _fetched(place: HubPlace, info: ModelInfo, name: str, most_bytes: int) -> bytes:
    out = io.BytesIO()
    hub_client.download(replace(place, revision=info.sha), name, most_bytes, out)
    return out.getvalue()
