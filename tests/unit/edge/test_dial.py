import pytest

from openclaude.domain.http import Origin
from openclaude.edge.dial import DialError, DialMap, parse


def test_a_listed_origin_is_dialled_elsewhere_and_no_other_is() -> None:
    dial = parse(["API.anthropic.com:443=127.0.0.1:9", "b.example:8443=[::1]:10"])
    assert dial.address(Origin("api.anthropic.com")) == ("127.0.0.1", 9)
    assert dial.address(Origin("b.example", 8443)) == ("::1", 10)
    assert dial.address(Origin("api.anthropic.com", 444)) == ("api.anthropic.com", 444)


def test_without_entries_every_origin_is_dialled_at_its_name() -> None:
    assert DialMap().address(Origin("api.anthropic.com")) == ("api.anthropic.com", 443)


@pytest.mark.parametrize(
    "value", ["", "a:1", "a:1=b", "a=b:1", "a:0=b:1", "a:1=b:65536", "a:1=b:1:2", "a b:1=c:1"]
)
def test_another_form_is_refused_with_the_right_one(value: str) -> None:
    with pytest.raises(DialError, match="the form is HOST:PORT=ADDR:PORT"):
        parse([value])
