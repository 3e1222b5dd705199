"""Published data sets: where they are looked for, and what happens when a file is not what it should be."""

import gzip
import http.server
import os
import shutil
import socket
import ssl
import subprocess
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import data_samples
import numpy as np
import pytest

from edgecnn.common import cache
from edgecnn.data import _fetch, cifar10, fashion_mnist
from edgecnn.errors import DataError, EnvironmentUnfit, OutputError

TRAIN_IMAGES = "train-images-idx3-ubyte.gz"


class Site:
    """A web site on this machine: `files` by path."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.cut: int | None = None
        """Bytes after which every transfer breaks off."""
        self.says_length = True
        self.leads_to = ""
        """Where every request is sent on to."""
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                body = site.files.get(self.path)
                if site.leads_to:
                    self.send_response(302)
                    self.send_header("Location", site.leads_to + self.path)
                    self.end_headers()
                    return
                if body is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                if site.says_length:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: site.cut])

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    site = Site()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(fashion_mnist, "SITE", site.url)
    monkeypatch.setattr(cifar10, "URL", f"{site.url}/cifar-10-binary.tar.gz")
    yield site
    site.server.shutdown()
    site.server.server_close()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, and no Debian package."""
    monkeypatch.setenv("EDGECNN_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", tmp_path / "debian")
    return tmp_path / "data"


@pytest.fixture
def fashion(site: Site, home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The four files, published on the site."""
    files = data_samples.fashion_files(monkeypatch)
    site.files = {f"/{name}": content for name, content in files.items()}
    return files


def put(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def test_fashion_mnist_is_downloaded_once(site: Site, fashion: dict[str, bytes], home: Path) -> None:
    train, test = fashion_mnist.load()
    assert train.images.shape == (30, 28, 28, 1)
    assert test.images.shape == (20, 28, 28, 1)
    assert test.labels.tolist() == list(range(10)) * 2
    assert sorted(path.name for path in (home / "fashion-mnist").iterdir()) == sorted(fashion)
    again, _ = fashion_mnist.load()
    assert np.array_equal(again.load_all(), train.load_all())
    assert len(site.asked) == 4


def test_the_pixels_stand_where_the_idx_file_has_them(fashion: dict[str, bytes]) -> None:
    train, _ = fashion_mnist.load()
    assert np.array_equal(train.load_all()[..., 0], np.random.default_rng(0).integers(0, 256, (30, 28, 28)))


def test_the_debian_package_saves_the_download(site: Site, fashion: dict[str, bytes]) -> None:
    put(fashion_mnist.DEBIAN_FOLDER, fashion)
    fashion_mnist.load()
    assert site.asked == []


def test_the_data_folder_comes_before_the_debian_package(fashion: dict[str, bytes], home: Path) -> None:
    put(home / "fashion-mnist", fashion)
    put(fashion_mnist.DEBIAN_FOLDER, dict.fromkeys(fashion, b"broken"))
    fashion_mnist.load()


def test_a_named_folder_is_the_only_place_looked_at(site: Site, fashion: dict[str, bytes], tmp_path: Path) -> None:
    put(fashion_mnist.DEBIAN_FOLDER, fashion)
    fashion.pop(TRAIN_IMAGES)
    folder = put(tmp_path / "mine", fashion)
    with pytest.raises(DataError, match=f"There is no file {folder / TRAIN_IMAGES}"):
        fashion_mnist.load(path=str(folder))
    assert site.asked == []


@pytest.mark.parametrize(
    "damage", [lambda b: b[: len(b) // 2], lambda b: b"not gzip", lambda b: b"", lambda b: b[:-9] + bytes(9)]
)
def test_a_broken_file_of_ours_is_removed_named_and_had_anew(
    damage: Callable[[bytes], bytes],
    fashion: dict[str, bytes],
    home: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    put(home / "fashion-mnist", fashion | {TRAIN_IMAGES: damage(fashion[TRAIN_IMAGES])})
    train, _ = fashion_mnist.load()
    assert len(train) == 30
    assert (home / "fashion-mnist" / TRAIN_IMAGES).read_bytes() == fashion[TRAIN_IMAGES]
    assert f"warning: Cannot use {home / 'fashion-mnist' / TRAIN_IMAGES}: " in capsys.readouterr().err


@pytest.mark.parametrize("owner", ["debian", "mine"])
def test_a_broken_file_of_others_is_named_and_left_alone(owner: str, fashion: dict[str, bytes], tmp_path: Path) -> None:
    other = fashion | {TRAIN_IMAGES: fashion["t10k-images-idx3-ubyte.gz"]}
    folder = put(tmp_path / owner, other)
    with pytest.raises(DataError, match=f"Cannot use {folder / TRAIN_IMAGES}: its sha256 is [0-9a-f]+, not") as caught:
        fashion_mnist.load(path="" if owner == "debian" else str(folder))
    assert caught.value.hint
    assert (folder / TRAIN_IMAGES).read_bytes() == other[TRAIN_IMAGES]


def test_the_gzip_header_is_not_part_of_the_checksum(fashion: dict[str, bytes], tmp_path: Path) -> None:
    # Byte 4 to 7 of a gzip file are a time: Debian's differ from the authors'.
    other = {name: content[:4] + bytes(4) + content[8:] for name, content in fashion.items()}
    assert other != fashion
    train, _ = fashion_mnist.load(path=str(put(tmp_path / "mine", other)))
    assert len(train) == 30


def left_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_download_that_breaks_off_leaves_nothing(site: Site, fashion: dict[str, bytes], home: Path) -> None:
    site.cut = 1000
    with pytest.raises(EnvironmentUnfit, match=r"the connection ended after 1,000 of \d\d,\d{3} bytes") as caught:
        fashion_mnist.load()
    assert caught.value.exit_code == 2
    assert "apt install dataset-fashion-mnist" in str(caught.value.hint)
    assert left_in(home) == []


def test_a_download_of_something_else_leaves_nothing(site: Site, fashion: dict[str, bytes], home: Path) -> None:
    site.files[f"/{TRAIN_IMAGES}"] = b"<html>Please log in to the hotel's network</html>"
    with pytest.raises(EnvironmentUnfit, match=f"{TRAIN_IMAGES}, but the sha256 of what came is [0-9a-f]+, not "):
        fashion_mnist.load()
    assert left_in(home) == []


@pytest.mark.parametrize("says_length", [True, False])
def test_no_more_is_downloaded_than_was_published(
    says_length: bool, site: Site, fashion: dict[str, bytes], home: Path
) -> None:
    size = len(fashion[TRAIN_IMAGES])
    site.says_length, site.files[f"/{TRAIN_IMAGES}"] = says_length, fashion[TRAIN_IMAGES] + b"x"
    with pytest.raises(EnvironmentUnfit, match=rf"{size:,} (bytes that )?were published"):
        fashion_mnist.load()
    assert left_in(home) == []


def test_what_came_is_checked_before_it_is_unpacked(
    site: Site, fashion: dict[str, bytes], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_fetch, "_unpacked", lambda *_: pytest.fail("it was unpacked"))
    wrong = bytearray(fashion[TRAIN_IMAGES])
    wrong[-1] ^= 1
    site.files[f"/{TRAIN_IMAGES}"] = bytes(wrong)
    with pytest.raises(EnvironmentUnfit, match="the sha256 of what came is"):
        fashion_mnist.load()
    assert left_in(home) == []


def test_a_file_that_unpacks_to_more_than_was_published_is_refused_where_it_exceeds_that(
    fashion: dict[str, bytes], tmp_path: Path
) -> None:
    folder = put(tmp_path / "mine", fashion | {TRAIN_IMAGES: gzip.compress(bytes(100_000_000))})
    most = fashion_mnist.FILES[TRAIN_IMAGES.removesuffix(".gz")][1].size
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=f"it holds more than the {most:,} bytes that were published"):
            fashion_mnist.load(path=str(folder))
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_a_pipe_under_a_files_name_keeps_nobody_waiting(fashion: dict[str, bytes], tmp_path: Path) -> None:
    fashion.pop(TRAIN_IMAGES)
    folder = put(tmp_path / "mine", fashion)
    os.mkfifo(folder / TRAIN_IMAGES)
    with pytest.raises(DataError, match="it is a pipe or a device, and no regular file"):
        fashion_mnist.load(path=str(folder))


def test_both_data_sets_come_over_https() -> None:
    assert fashion_mnist.SITE.startswith("https://")
    assert cifar10.URL.startswith("https://")


@pytest.fixture
def encrypted(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The site over https, with a certificate that this process trusts."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    site.server.socket = context.wrap_socket(site.server.socket, server_side=True)
    site.url = site.url.replace("http://", "https://")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setattr(fashion_mnist, "SITE", site.url)
    return site


def test_a_redirect_leads_to_https_or_nowhere(
    encrypted: Site, fashion: dict[str, bytes], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, _ = fashion_mnist.load()
    assert len(train) == 30
    shutil.rmtree(home)
    elsewhere = Site()
    elsewhere.files = encrypted.files
    encrypted.leads_to = elsewhere.url
    with pytest.raises(EnvironmentUnfit, match=r"it leads to http://127.0.0.1.*, which is no https address"):
        fashion_mnist.load()
    elsewhere.server.shutdown()
    elsewhere.server.server_close()
    assert elsewhere.asked == []
    assert left_in(home) == []


def test_a_site_that_nobody_vouches_for_is_not_trusted(
    encrypted: Site, fashion: dict[str, bytes], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(EnvironmentUnfit, match=r"Cannot download .*certificate"):
        fashion_mnist.load()
    assert left_in(home) == []


def test_a_file_that_is_gone_from_the_site_is_named(site: Site, home: Path) -> None:
    with pytest.raises(EnvironmentUnfit, match=rf"Cannot download {site.url}/{TRAIN_IMAGES}: HTTP Error 404"):
        fashion_mnist.load()
    assert left_in(home) == []


def test_no_network_says_so_and_where_to_put_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setattr(cifar10, "URL", f"http://127.0.0.1:{taken.getsockname()[1]}/cifar-10-binary.tar.gz")
        with pytest.raises(EnvironmentUnfit, match="Connection refused") as caught:
            cifar10.load()
    assert caught.value.hint == f"put cifar-10-binary.tar.gz into {home / 'cifar10'}"
    assert left_in(home) == []


def test_a_far_side_that_speaks_no_http_is_an_unfit_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setattr(cifar10, "URL", f"http://127.0.0.1:{listening.getsockname()[1]}/cifar-10-binary.tar.gz")

        def babble() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"220 mail.example ESMTP\r\n")

        thread = threading.Thread(target=babble)
        thread.start()
        with pytest.raises(EnvironmentUnfit, match="Cannot download"):
            cifar10.load()
        thread.join()


def test_a_data_folder_that_cannot_be_made_is_an_output_error(
    site: Site, fashion: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EDGECNN_DATA", str(tmp_path / "file"))
    with pytest.raises(OutputError, match="Cannot write") as caught:
        fashion_mnist.load()
    assert "EDGECNN_DATA" in str(caught.value.hint)
    assert site.asked == []


# --- CIFAR-10


def test_cifar10_is_read_from_its_archive(site: Site, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site.files["/cifar-10-binary.tar.gz"] = data_samples.cifar_archive(monkeypatch)
    train, test = cifar10.load()
    assert train.images.shape == (50, 32, 32, 3)
    assert test.images.shape == (10, 32, 32, 3)
    assert train.labels.tolist() == list(range(10)) * 5
    # Planes in the archive, channels last here: red tells the picture, green and blue are constant.
    assert (test.load_all() == np.array([[i, 100, 200] for i in range(10)], dtype=np.uint8)[:, None, None]).all()
    cifar10.load()
    assert len(site.asked) == 1
    assert [path.name for path in left_in(home)] == ["cifar-10-binary.tar.gz"]


@pytest.mark.parametrize("as_folder", [True, False])
def test_the_archive_or_its_folder_can_be_named(
    as_folder: bool, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "cifar-10-binary.tar.gz"
    archive.write_bytes(data_samples.cifar_archive(monkeypatch))
    train, _ = cifar10.load(path=str(tmp_path if as_folder else archive))
    assert len(train) == 50


def test_a_corrupt_archive_is_named_and_left_alone_where_it_is_not_ours(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytearray(data_samples.cifar_archive(monkeypatch))
    content[len(content) // 2] ^= 1
    archive = tmp_path / "cifar-10-binary.tar.gz"
    archive.write_bytes(content)
    with pytest.raises(DataError, match=f"Cannot use {archive}: its sha256 is") as caught:
        cifar10.load(path=str(archive))
    assert caught.value.exit_code == 64
    assert archive.read_bytes() == content


def test_a_half_archive_of_ours_is_removed_before_a_new_try(
    site: Site, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = put(home / "cifar10", {"cifar-10-binary.tar.gz": data_samples.cifar_archive(monkeypatch)[:99]})
    with pytest.raises(EnvironmentUnfit, match="404"):
        cifar10.load()
    assert left_in(home) == []
    assert f"{archive / 'cifar-10-binary.tar.gz'}: its sha256 is" in capsys.readouterr().err


# --- places


def test_without_variables_all_is_kept_in_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGECNN_DATA", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache.data_folder() == Path.home() / ".cache" / "edgecnn" / "data"


def test_the_variables_are_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGECNN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert cache.data_folder() == Path("/elsewhere/edgecnn/data")
    monkeypatch.setenv("EDGECNN_DATA", "~/pictures")
    assert cache.data_folder() == Path.home() / "pictures"


def test_a_relative_cache_home_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    assert cache.cache_folder() == Path.home() / ".cache" / "edgecnn"
