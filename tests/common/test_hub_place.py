"""Addresses on a hub."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.common import hub_place
from edgecnn.errors import UsageError


@pytest.mark.parametrize(
    ("address", "repository", "revision"),
    [
        ("hf://alice/digits", "alice/digits", None),
        ("hf://a-b/c_d.e", "a-b/c_d.e", None),
        ("hf://alice/digits@v1.0", "alice/digits", "v1.0"),
        ("hf://alice/digits@refs/pr/1", "alice/digits", "refs/pr/1"),
    ],
)
def test_an_address_names_owner_model_and_revision(address: str, repository: str, revision: str | None) -> None:
    parsed = hub_place.parse(address)
    assert (parsed.repository, parsed.revision, str(parsed)) == (repository, revision, address)


@pytest.mark.parametrize(
    "address",
    [
        "alice/digits", "hf://digits", "hf://alice/", "hf:///digits", "hf://alice/digits/", "hf://alice/a/b", "hf://alice/..",
        "hf://alice/digits@", "hf://alice/digits@a b", "hf://alice/digits\n", "https://alice/digits", "hf://ä/b", "",
    ],
)  # fmt: skip
def test_anything_else_is_none(address: str) -> None:
    with pytest.raises(UsageError, match="is no address on a hub"):
        hub_place.parse(address)


@given(st.text(max_size=40))
def test_no_text_reaches_beyond_a_folder(text: str) -> None:
    try:
        parsed = hub_place.parse(f"hf://{text}")
    except UsageError:
        return
    assert "/" not in parsed.name
    assert not parsed.name.startswith((".", "-"))
