import pytest

from openclaude.config import checks

ENDPOINT_FORM = (
    "must be https://host or https://host:port, without user, path, query or trailing slash",
    'for example "https://vpce-0123.bedrock-runtime.us-west-2.vpce.amazonaws.com"',
)
MODEL_HINT = "write a model id, an inference profile id or an ARN as the Bedrock console shows it"
ARN = "arn:aws:bedrock:us-east-1:123456789012:"


@pytest.mark.parametrize("port", [1, 4000, 65535])
def test_a_port_of_the_range_is_right(port: int) -> None:
    assert checks.port(port) is None


@pytest.mark.parametrize("port", [0, -1, 65536, pytest.param(0x10**5000, id="endless")])
def test_a_port_outside_the_range_is_refused(port: int) -> None:
    assert checks.port(port) == ("must be between 1 and 65535", "leave the line out to use port 4000")


@pytest.mark.parametrize("name", ["qwen-3-coder", "claude-haiku-5-5[1m]", " padded ", "Mödel 3"])
def test_one_models_name_is_right(name: str) -> None:
    assert checks.name(name) is None


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        pytest.param("", ('must name a model, but "" is blank', 'for example "qwen-3-coder"'), id="empty"),
        pytest.param(
            " [1m]",
            ('must name a model, but " [1m]" is blank', 'for example "qwen-3-coder"'),
            id="only a suffix",
        ),
        pytest.param(
            "qwen-*",
            (
                'must be one model\'s name, but "qwen-*" is a pattern',
                "patterns belong in match, under [[routes]]",
            ),
            id="a pattern",
        ),
        pytest.param(
            "a\x1b[31mb",
            ('has characters that no model name has: "a\\u001b[31mb"', "write the name in plain characters"),
            id="a terminal escape",
        ),
    ],
)
def test_what_is_not_one_models_name_is_refused(name: str, fault: checks.Fault) -> None:
    assert checks.name(name) == fault


@pytest.mark.parametrize("pattern", ["claude-*", "*", "gpt-?", "qwen-3-coder", "x[1m]", " claude-* "])
def test_a_name_or_a_glob_is_a_right_pattern(pattern: str) -> None:
    assert checks.pattern(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        pytest.param("", ('must name a model, but "" is blank', 'for example "qwen-3-coder"'), id="empty"),
        pytest.param(
            "claude-*[1M]",
            (
                'can match nothing: "claude-*[1M]" ends in [1m], which is removed before routes are looked up',
                "leave [1m] out; the route then takes the model with and without it",
            ),
            id="a glob for a suffix that is removed",
        ),
        pytest.param(
            "a\nb",
            ('has characters that no model name has: "a\\u000ab"', "write the name in plain characters"),
            id="two lines",
        ),
    ],
)
def test_what_can_match_no_name_is_refused(pattern: str, fault: checks.Fault) -> None:
    assert checks.pattern(pattern) == fault


@pytest.mark.parametrize(
    "model",
    [
        "qwen.qwen3-coder-next",
        "qwen.qwen3-coder-480b-a35b-v1:0",
        "us.anthropic.claude-sonnet-4-6",
        "qwen.qwen3-coder-next[1m]",
        "arn:aws:bedrock:us-east-1::foundation-model/qwen.qwen3-coder-next",
        "arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/qwen.qwen3-coder-next",
        f"{ARN}inference-profile/us.anthropic.claude-sonnet-4-6",
        f"{ARN}application-inference-profile/a1b2c3",
        f"{ARN}provisioned-model/abcdefghijkl",
        f"{ARN}custom-model-deployment/abcdefghijkl",
        f"{ARN}prompt/ABCDEFGHIJ:1",
        f"{ARN}prompt-router/x:1",
        f"{ARN}default-prompt-router/meta.llama:1",
        "a" * 2048,
    ],
)
def test_an_id_converse_serves_is_right(model: str) -> None:
    assert checks.model(model) is None


@pytest.mark.parametrize("model", ["", "  ", "[1m]"])
def test_a_blank_model_id_is_refused(model: str) -> None:
    assert checks.model(model) == (
        "must not be blank",
        'write a Bedrock model id, for example "qwen.qwen3-coder-next"',
    )


@pytest.mark.parametrize(
    ("model", "hint"),
    [
        pytest.param(".", MODEL_HINT, id="a dot"),
        pytest.param("..", MODEL_HINT, id="two dots"),
        pytest.param("qwen..\u202e", MODEL_HINT, id="a character that turns the text around"),
        pytest.param("qwen next", MODEL_HINT, id="a blank inside"),
        pytest.param("qwen%2fnext", MODEL_HINT, id="percent encoding"),
        pytest.param("a" * 2049, MODEL_HINT, id="too long"),
        pytest.param(f"{ARN}foundation-model/..", MODEL_HINT, id="two dots in an ARN"),
        pytest.param("arn:aws:bedrock:nowhere::foundation-model/x", MODEL_HINT, id="an ARN without a region"),
        pytest.param(
            "arn:aws:sagemaker:us-east-1:123456789012:endpoint/x", MODEL_HINT, id="another service's ARN"
        ),
        pytest.param(
            "bedrock/qwen.qwen3-coder-next",
            "a slash belongs in an ARN only; write the id alone or the whole ARN",
            id="another gateway's prefix",
        ),
        pytest.param(
            f"{ARN}imported-model/abcdefghijkl",
            "Converse does not serve imported models; choose another one",
            id="an imported model",
        ),
    ],
)
def test_what_is_no_bedrock_model_id_is_refused(model: str, hint: str) -> None:
    assert checks.model(model) == (f"is not a Bedrock model id: {checks.shown(model)}", hint)


@pytest.mark.parametrize(
    "region", ["us-west-2", "eu-central-1", "ap-southeast-3", "us-gov-west-1", "cn-north-1"]
)
def test_an_aws_region_is_right(region: str) -> None:
    assert checks.region(region) is None


@pytest.mark.parametrize(
    "region", ["", "us-west", "US-WEST-2", "us-west-2a", "us-west-2\n", "x.evil.example/us-west-2"]
)
def test_what_has_not_the_form_of_a_region_is_refused(region: str) -> None:
    assert checks.region(region) == (
        f"is not an AWS region: {checks.shown(region)}",
        'write it as in "us-west-2"',
    )


@pytest.mark.parametrize("profile", ["openclaude", "my team/admin@prod", "default"])
def test_a_profile_name_is_right(profile: str) -> None:
    assert checks.profile(profile) is None


@pytest.mark.parametrize("profile", ["", " ", "a\nb"])
def test_a_blank_or_unprintable_profile_is_refused(profile: str) -> None:
    assert checks.profile(profile) == (
        f"is not the name of an AWS profile: {checks.shown(profile)}",
        "`aws configure list-profiles` shows the names",
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://vpce-0123.bedrock-runtime.us-west-2.vpce.amazonaws.com",
        "https://Bedrock.Example:8443",
        "https://localhost:1",
        "https://notanthropic.com",
    ],
)
def test_an_https_origin_is_a_right_endpoint(url: str) -> None:
    assert checks.endpoint_url(url) is None


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("", id="empty"),
        pytest.param("http://host.example", id="no TLS"),
        pytest.param("host.example", id="no scheme"),
        pytest.param("https://", id="no host"),
        pytest.param("https://host.example/", id="a trailing slash"),
        pytest.param("https://host.example/path", id="a path"),
        pytest.param("https://host.example?x=1", id="a query"),
        pytest.param("https://host.example#x", id="a fragment"),
        pytest.param("https://user:word@host.example", id="a password"),
        pytest.param("https://host.example:", id="an empty port"),
        pytest.param("https://host..example", id="an empty label"),
        pytest.param("https://-host.example", id="a label that begins with a hyphen"),
        pytest.param("https://" + "a" * 64 + ".example", id="a label that is too long"),
        pytest.param("https://169.254.169.254", id="the metadata service's address"),
        pytest.param("https://0x7f000001", id="an address in disguise"),
        pytest.param("https://[::1]", id="an IPv6 address"),
        pytest.param("https://host.example\n", id="a newline"),
    ],
)
def test_what_is_no_https_origin_is_refused_and_not_repeated(url: str) -> None:
    assert checks.endpoint_url(url) == ENDPOINT_FORM


@pytest.mark.parametrize("url", ["https://host.example:0", "https://host.example:65536"])
def test_an_endpoint_with_an_impossible_port_is_refused(url: str) -> None:
    fault = ("has a port that is not between 1 and 65535", "leave the port out to use 443")
    assert checks.endpoint_url(url) == fault


@pytest.mark.parametrize(
    "url", ["https://api.anthropic.com", "https://API.Anthropic.com:443", "https://claude.ai"]
)
def test_aws_credentials_are_not_sent_to_anthropic(url: str) -> None:
    assert checks.endpoint_url(url) == (
        "sends AWS credentials to Anthropic",
        "name a Bedrock runtime endpoint, or leave the line out",
    )


def test_a_choice_takes_what_is_offered_and_names_it_otherwise() -> None:
    check = checks.choice("shared", "isolated")
    assert check("isolated") is None
    assert check("Shared") == ('is unknown: "Shared"', "write one of: shared, isolated")


@pytest.mark.parametrize(
    ("model", "region"),
    [
        pytest.param(f"{ARN}inference-profile/x", "us-east-1", id="an ARN tells it"),
        pytest.param("qwen.qwen3-coder-next", None, id="an id does not"),
    ],
)
def test_the_region_of_a_model_is_in_its_arn(model: str, region: str | None) -> None:
    assert checks.region_of_model(model) == region


@pytest.mark.parametrize(
    ("url", "region"),
    [
        pytest.param(
            "https://vpce-0.bedrock-runtime.us-west-2.vpce.amazonaws.com", "us-west-2", id="a VPC endpoint"
        ),
        pytest.param(
            "https://bedrock-runtime.eu-west-1.amazonaws.com", "eu-west-1", id="the public endpoint"
        ),
        pytest.param(
            "https://bedrock-runtime-fips.us-east-1.amazonaws.com", "us-east-1", id="the FIPS endpoint"
        ),
        pytest.param("https://bedrock.example", None, id="another name"),
    ],
)
def test_the_region_of_an_endpoint_is_in_the_names_aws_gives(url: str, region: str | None) -> None:
    assert checks.region_of_endpoint(url) == region


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param('it\'s "x"', '"it\'s "x""', id="quotes stay"),
        pytest.param(
            "a\x1b[0m\u202e\u00e9", '"a\\u001b[0m\\u202e\u00e9"', id="what steers a terminal is escaped"
        ),
        pytest.param("a" * 80, '"' + "a" * 80 + '"', id="eighty characters are shown"),
        pytest.param("a" * 81, '"' + "a" * 77 + '..."', id="more are cut"),
    ],
)
def test_a_value_is_shown_readable_and_harmless(value: str, text: str) -> None:
    assert checks.shown(value) == text
