import pytest

from openclaude.domain.http import CREDENTIAL_HEADERS, CredentialInHeadersError, Origin, SafeHeaders


@pytest.mark.parametrize("name", sorted(CREDENTIAL_HEADERS))
@pytest.mark.parametrize("form", [bytes.lower, bytes.upper, bytes.title], ids=["lower", "upper", "title"])
def test_safe_headers_refuse_every_credential_name_in_any_case(name: bytes, form) -> None:
    with pytest.raises(CredentialInHeadersError) as caught:
        SafeHeaders([(b"accept", b"*/*"), (form(name), b"the-value")])
    assert "the-value" not in str(caught.value)


def test_safe_headers_keep_names_values_and_order() -> None:
    pairs = [(b"X-App", b"cli"), (b"anthropic-beta", b"a,b"), (b"Accept", b"x")]
    assert list(SafeHeaders(pairs)) == pairs


def test_safe_headers_show_names_only() -> None:
    assert repr(SafeHeaders([(b"x-app", b"value")])) == "SafeHeaders(['x-app'])"


def test_a_header_is_found_by_its_lower_case_name() -> None:
    assert SafeHeaders([(b"Anthropic-Beta", b"one")]).get(b"anthropic-beta") == b"one"
    assert SafeHeaders().get(b"anthropic-beta") is None


def test_every_value_of_a_repeated_header_is_found_in_order() -> None:
    headers = SafeHeaders([(b"Anthropic-Beta", b"one"), (b"accept", b"x"), (b"anthropic-beta", b"two")])
    assert headers.get_all(b"anthropic-beta") == [b"one", b"two"]


@pytest.mark.parametrize(
    ("origin", "text"),
    [
        pytest.param(
            Origin("api.anthropic.com"), "https://api.anthropic.com", id="default port is not shown"
        ),
        pytest.param(Origin("h", 8443), "https://h:8443", id="other port is shown"),
        pytest.param(Origin("h", 80, "http"), "http://h", id="http has its own default"),
    ],
)
def test_an_origin_reads_as_a_url(origin: Origin, text: str) -> None:
    assert str(origin) == text


def test_origins_differ_by_scheme_host_and_port() -> None:
    assert len({Origin("a"), Origin("b"), Origin("a", 444), Origin("a", 443, "http"), Origin("a")}) == 4
