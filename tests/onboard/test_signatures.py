"""A board that trusts certain signers: the very program that runs there, with the system's ssh-keygen."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import small_bundles
import sshd

from edgecnn.errors import UsageError
from edgecnn.onboard import archive as onboard
from edgecnn.onboard import releases, signatures
from edgecnn.pipeline.deploy import signing
from edgecnn.pipeline.deploy.bundle import Bundle

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")

PROGRAM = onboard.program(releases.__name__)
NAME = "animals"


class Board:
    """~/edgecnn/animals of a board, and the programs that the board has."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "edgecnn" / NAME
        (self.root / "releases").mkdir(parents=True)
        (folder / "site").mkdir()
        self.folder = folder
        self.path = os.environ["PATH"]

    def ask(self, command: str, *arguments: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-", command, str(self.root), *arguments],
            input=PROGRAM,
            capture_output=True,
            check=True,
            env={**os.environ, "PATH": self.path},
        )
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def unpack(self, release: str, packed: bytes) -> dict[str, Any]:
        incoming = self.folder / "incoming.zip"
        incoming.write_bytes(packed)
        return self.ask("unpack", release, str(incoming), str(self.folder / "site"), sys.executable)

    def trust(self, *keys: Path) -> None:
        lines = [signing.allowed_signer(key) for key in keys]
        (self.root.parent / signatures.ALLOWED).write_text("".join(f"{line}\n" for line in lines))

    @property
    def releases(self) -> set[str]:
        return {path.name for path in (self.root / "releases").iterdir()}


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path / "board")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two private keys; the public ones lie beside them."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ours", "theirs"):
        sshd.key(folder / name)
    return folder / "ours", folder / "theirs"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return small_bundles.made(tmp_path_factory.mktemp("made"))


def public(key: Path) -> Path:
    return key.with_suffix(".pub")


def with_file(packed: bytes, folder: Path, name: str, content: bytes) -> bytes:
    """The archive with another content of one file, or with one more."""
    source, target = folder / "before.zip", folder / "after.zip"
    source.write_bytes(packed)
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.namelist():
            if entry != name:
                new.writestr(entry, old.read(entry))
        new.writestr(name, content)
    return target.read_bytes()


def test_a_board_that_trusts_nobody_in_particular_takes_every_bundle(board: Board, made: Bundle) -> None:
    assert board.unpack("one", made.archive()) == {}
    assert board.ask("switch", "one") == {"before": None}


def test_a_bundle_of_a_trusted_signer_is_taken(board: Board, made: Bundle, keys: tuple[Path, Path]) -> None:
    board.trust(*map(public, keys))
    assert board.unpack("one", signing.sign(made, keys[1]).archive()) == {}
    assert board.ask("switch", "one") == {"before": None}


def test_what_is_not_signed_by_a_trusted_signer_is_refused_before_anything_is_unpacked(
    board: Board, made: Bundle, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    ours, theirs = keys
    board.trust(public(ours))
    signed = signing.sign(made, ours)
    packed = signed.archive()
    other_name = signing.sign(Bundle(**{**vars(made), "name": "door"}), ours).archive()
    swapped = Bundle(**{**vars(made), "signature": {**signed.signature, signatures.DOCUMENT: b"{}\n"}}).archive()
    wrong = {
        "has no signature": made.archive(),
        "which this board does not trust": signing.sign(made, theirs).archive(),
        "signature is damaged": with_file(packed, tmp_path, signatures.SIGNATURE, b"a letter"),
        "the signature is damaged, or not one of a bundle": swapped,
        "'labels.txt' is not the file that was signed": with_file(packed, tmp_path, "labels.txt", b"cat\ncat\nowl\n"),
        "'run.py' is not among the files that were signed": with_file(packed, tmp_path, "run.py", b"print()"),
        "manifest.json is not the one that was signed": with_file(packed, tmp_path, "manifest.json", b'{"files": {}}'),
        "was signed as 'door', not as 'animals'": other_name,
    }
    for sentence, archive in wrong.items():
        assert sentence in board.unpack("one", archive)["untrusted"]
        assert board.releases == set()


def test_a_signature_for_another_purpose_is_none(board: Board, made: Bundle, keys: tuple[Path, Path]) -> None:
    board.trust(public(keys[0]))
    signed = signing.sign(made, keys[0])
    document = board.folder / signatures.DOCUMENT
    document.write_bytes(signed.signature[signatures.DOCUMENT])
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-f", keys[0], "-n", "git", document], check=True)
    for_git = {**signed.signature, signatures.SIGNATURE: (board.folder / signatures.SIGNATURE).read_bytes()}
    answer = board.unpack("one", Bundle(**{**vars(made), "signature": for_git}).archive())
    assert "not one of a bundle" in answer["untrusted"]


def test_what_was_there_before_anybody_was_trusted_does_not_become_current(
    board: Board, made: Bundle, keys: tuple[Path, Path]
) -> None:
    for release in ("one", "two"):
        board.unpack(release, made.archive())
        board.ask("switch", release)
    board.trust(public(keys[0]))
    assert "has no signature" in board.ask("switch", "one")["untrusted"]
    assert "has no signature" in board.ask("rollback", "one")["untrusted"]
    assert board.ask("status")["current"] == "two"
    packed = board.folder / "signed.zip"
    packed.write_bytes(signing.sign(made, keys[1]).archive())
    assert "does not trust" in board.ask("sign", "one", str(packed))["untrusted"]
    packed.write_bytes(signing.sign(made, keys[0]).archive())
    assert board.ask("sign", "one", str(packed)) == {}
    assert board.ask("switch", "one") == {"before": "two"}


def test_a_release_that_was_changed_on_the_board_does_not_become_current(
    board: Board, made: Bundle, keys: tuple[Path, Path]
) -> None:
    board.trust(public(keys[0]))
    board.unpack("one", signing.sign(made, keys[0]).archive())
    (board.root / "releases" / "one" / "labels.txt").write_text("cat\ncat\ncat\n")
    assert "'labels.txt' is not the file" in board.ask("switch", "one")["untrusted"]
    assert board.ask("status")["current"] is None


def test_an_older_signed_bundle_is_refused_only_by_a_board_that_was_told_so(
    board: Board, made: Bundle, keys: tuple[Path, Path]
) -> None:
    board.trust(public(keys[0]))
    old, new = (signing.sign(made, keys[0], signed_at).archive() for signed_at in (1_000, 2_000))
    for release, packed in (("new", new), ("old", old)):
        board.unpack(release, packed)
        board.ask("switch", release)
    board.ask("switch", "new")
    (board.root.parent / signatures.NEWEST_ONLY).write_text("yes\n")
    assert "1000 s before the newest" in board.unpack("old", old)["untrusted"]
    assert "1000 s before the newest" in board.ask("switch", "old")["untrusted"]
    assert board.unpack("new", new) == {}
    assert board.ask("rollback", "old")["current"] == "old"  # it was current here, so it is no replay


def test_a_board_without_ssh_keygen_says_so(board: Board, made: Bundle, keys: tuple[Path, Path]) -> None:
    board.trust(public(keys[0]))
    board.path = str(board.folder / "site")
    answer = board.unpack("one", signing.sign(made, keys[0]).archive())
    assert "no ssh-keygen" in answer["untrusted"]
    assert "openssh-client" in answer["hint"]


def test_signing_changes_neither_the_bundle_nor_its_release(made: Bundle, keys: tuple[Path, Path]) -> None:
    signed = signing.sign(made, keys[0])
    assert signed.files == made.files
    assert signed.archive(signed=False) == made.archive()
    assert signed.archive() != made.archive()


def test_keys_that_do_not_sign_are_named(made: Bundle, keys: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no key"):
        signing.sign(made, tmp_path / "none")
    (tmp_path / "letter").write_text("a letter")
    with pytest.raises(UsageError, match="does not sign"):
        signing.sign(made, tmp_path / "letter")
    with pytest.raises(UsageError, match="private key, which stays with you"):
        signing.allowed_signer(keys[0])
    for text in ("a letter", 'ssh-ed25519 AAAA x"y', "ssh-ed25519 AAAA a\nssh-ed25519 AAAA b"):
        (tmp_path / "letter").write_text(text)
        with pytest.raises(UsageError, match="not one public key"):
            signing.allowed_signer(tmp_path / "letter")
