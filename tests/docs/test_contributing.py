import re
import tomllib

import pytest
from checkout import ROOT

TEXT = (ROOT / "docs" / "pages" / "contributing.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (.+?) \| `(edgecnn/[^`]+)`", TEXT, re.M)


@pytest.mark.parametrize(("change", "path"), ROWS)
def test_the_place_of_a_change_is_there(change: str, path: str) -> None:
    assert (ROOT / path).is_file(), change


def test_the_rooms_stand_in_the_order_that_is_enforced() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = [name for layer in contracts[0]["layers"] for name in layer.split(" | ")]
    block = TEXT.split("```text\n")[1].split("```")[0]
    assert re.findall(r"\b(\w+)(?:/|\.py) {3,}", block) == layers


def test_every_folder_of_the_package_is_a_room() -> None:
    rooms = {path.name for path in (ROOT / "edgecnn").iterdir() if (path / "__init__.py").is_file()}
    assert rooms == set(re.findall(r"\b(\w+)/ {3,}", TEXT))
