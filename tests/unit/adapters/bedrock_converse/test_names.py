"""Names and ids in Bedrock's alphabets."""

import re

from hypothesis import given
from hypothesis import strategies as st

from openclaude.adapters.bedrock_converse.names import Names, safe_id

ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=140)


@given(original=ANY)
def test_every_id_becomes_valid_and_valid_ids_stay(original: str) -> None:
    sent = safe_id(original)
    assert re.fullmatch(r"[a-zA-Z0-9_.:-]{1,64}", sent)
    assert safe_id(sent) == sent
    assert (sent == original) == bool(re.fullmatch(r"[a-zA-Z0-9_.:-]{1,64}", original))


@given(
    originals=st.lists(
        st.one_of(ANY, st.sampled_from(["a.b", "a_b_2e7f5c9d", "x" * 65, "x" * 66])), unique=True
    )
)
def test_every_name_becomes_valid_and_no_two_become_one(originals: list[str]) -> None:
    names = Names(originals)
    sent = [names.sent(original) for original in originals]
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in sent)
    assert len(set(sent)) == len(sent)
    assert names.renamed() == {new: old for old, new in zip(originals, sent, strict=True) if old != new}


def test_a_name_that_is_taken_gets_a_longer_digest() -> None:
    taken = Names(["srv.tool/read"]).sent("srv.tool/read")
    assert taken == "srv_tool_read_9bcb6df2"
    names = Names(["srv.tool/read", taken])
    assert names.sent(taken) == taken
    assert re.fullmatch(r"srv_tool_read_9bcb6df2[0-9a-f]{4}", names.sent("srv.tool/read"))


def test_names_of_the_history_leave_the_names_of_the_tools_alone() -> None:
    tools = Names(["grep"])
    request = tools.copy()
    request.sent("old.name")
    assert tools.renamed() == {}
    assert set(request.renamed().values()) == {"old.name"}
