"""What a Bedrock route says of its dialect and its model, and what is said of what cannot work."""

from collections.abc import Callable

import pytest

from openclaude.config import capabilities, parse

Said = Callable[[str], str]

CLAUDE = 'match = "c"\nto = "bedrock"\nmodel = "us.anthropic.claude-opus-5-5"\nregion = "us-west-2"\n'
QWEN = 'match = "q"\nto = "bedrock"\nmodel = "qwen.qwen3-coder-next"\nregion = "us-west-2"\n'
PLATFORM = (
    'match = "p"\nto = "bedrock"\nmodel = "claude-opus-5-5"\nregion = "us-east-1"\nvia = "messages"\n'
    'endpoint = "platform"\nworkspace = "wrkspc_01"\n'
)
ARN = "arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/ab12"
HIDDEN = f'match = "h"\nto = "bedrock"\nmodel = "{ARN}"\n'


def route(text: str) -> str:
    return f"[[routes]]\n{text}"


def test_every_key_reaches_the_route() -> None:
    more = (
        'via = "converse"\ngeo = "us"\nservice_tier = "flex"\nbase_model = " us.anthropic.claude-opus-5-5 "\n'
    )
    table = '[routes.capabilities]\nmax_output = 9\ntool_choice = ["any"]\nimages = false\ntop_k = ""\n'
    (found,) = parse(route(CLAUDE + more + table), "config.toml").routes
    assert (found.via, found.geo, found.service_tier, found.endpoint) == ("converse", "us", "flex", "mantle")
    assert found.base_model == "us.anthropic.claude-opus-5-5"
    assert found.capabilities == {"max_output": 9, "tool_choice": ["any"], "images": False, "top_k": ""}
    profile = capabilities(found)
    assert (profile.via, profile.max_output, profile.images, profile.top_k) == ("converse", 9, False, None)
    assert (profile.service_tier, profile.tool_choice) == ("flex", frozenset({"any"}))


@pytest.mark.parametrize(
    ("text", "via", "name"),
    [
        (CLAUDE, "invoke", "claude-5"),
        (QWEN, "converse", "qwen-text"),
        (CLAUDE + 'via = "messages"\nendpoint = "runtime"\n', "messages", "claude-5"),
        (PLATFORM, "messages", "claude-5"),
        (HIDDEN + 'base_model = "us.anthropic.claude-sonnet-4-6"\n', "invoke", "claude-invoke"),
        (QWEN + 'via = "invoke"\n[routes.capabilities]\nfamily = "claude"\n', "invoke", "qwen-text"),
    ],
    ids=[
        "claude",
        "another family",
        "messages",
        "the platform",
        "an arn with its base model",
        "a claude in disguise",
    ],
)
def test_the_dialect_is_the_profile_s_unless_the_route_chooses_one(text: str, via: str, name: str) -> None:
    (found,) = parse(route(text), "config.toml").routes
    assert (capabilities(found).via, capabilities(found).name) == (via, name)


def test_the_capabilities_of_each_route_are_its_own() -> None:
    text = route(QWEN) + "[routes.capabilities]\nimages = true\n\n" + route(CLAUDE)
    first, second = parse(text, "config.toml").routes
    assert (first.capabilities, second.capabilities) == ({"images": True}, {})


def test_an_inline_table_is_as_good() -> None:
    (found,) = parse(route(QWEN + "capabilities = { strict = true }\n"), "config.toml").routes
    assert capabilities(found).strict


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            QWEN + 'via = "invoke"\n',
            (
                'config.toml:6: routes[0].via: "invoke" is Claude\'s own format, and this model is no Claude\n'
                '  hint: leave the line out, or say which Claude it is: base_model = "us.anthropic.claude-sonnet-5-5"'
            ),
        ),
        (
            CLAUDE + '[routes.capabilities]\nfamily = "qwen"\n',
            (
                'config.toml:6: routes[0].capabilities: "invoke" is Claude\'s own format, and this model is no Claude\n'
                '  hint: write via = "converse" too: the other dialects are Claude\'s own'
            ),
        ),
        (
            CLAUDE + 'endpoint = "mantle"\n',
            (
                'config.toml:6: routes[0].endpoint: has a meaning with via = "messages" only\n'
                '  hint: remove the line, or write via = "messages"'
            ),
        ),
        (
            PLATFORM.replace('workspace = "wrkspc_01"\n', ""),
            'config.toml:1: routes[0].workspace: is missing\n  hint: for example: workspace = "wrkspc_01ABC"',
        ),
        (
            PLATFORM.replace("wrkspc_01", "my space"),
            (
                "config.toml:8: routes[0].workspace: is not the id of a workspace\n"
                '  hint: write it as the console of Claude Platform on AWS shows it: "wrkspc_…"'
            ),
        ),
        (
            PLATFORM.replace('"claude', '"us.anthropic.claude'),
            (
                "config.toml:4: routes[0].model: is an id of Bedrock, which the platform does not know\n"
                '  hint: write Anthropic\'s own: "claude-opus-5-5"'
            ),
        ),
        (
            CLAUDE + 'workspace = "wrkspc_01"\n',
            (
                'config.toml:6: routes[0].workspace: has a meaning with endpoint = "platform" only\n'
                "  hint: remove the line"
            ),
        ),
        (
            PLATFORM + "fips = true\n",
            (
                'config.toml:9: routes[0].fips: has no meaning for the endpoint "platform": AWS names no FIPS endpoint for it\n'
                '  hint: remove the line, or write endpoint = "runtime"'
            ),
        ),
        (
            CLAUDE + 'via = "messages"\nservice_tier = "flex"\n',
            (
                'config.toml:7: routes[0].service_tier: has no meaning with via = "messages"\n'
                "  hint: remove the line, or choose another via"
            ),
        ),
        (
            CLAUDE + 'reasoning = "low"\n',
            (
                "config.toml:6: routes[0].reasoning: has no meaning for Claude: the client says how it shall think\n"
                "  hint: remove the line"
            ),
        ),
        (
            CLAUDE + 'geo = "eu"\n',
            (
                'config.toml:6: routes[0].geo: is "eu", but the model id sends requests to "us"\n'
                '  hint: write geo = "us", or a model id that begins with eu.'
            ),
        ),
        (
            HIDDEN,
            (
                "config.toml:1: routes[0].base_model: is missing\n"
                '  hint: for example: base_model = "us.anthropic.claude-sonnet-5-5"'
            ),
        ),
        (
            HIDDEN + f'base_model = "{ARN}"\n',
            (
                f'config.toml:5: routes[0].base_model: is not the id of a Bedrock model: "{ARN}"\n'
                '  hint: write the id of the model behind the ARN, as in "us.anthropic.claude-sonnet-5-5"'
            ),
        ),
        (
            QWEN + "capabilities = 7\n",
            (
                "config.toml:6: routes[0].capabilities: must be a table, but is an integer\n"
                "  hint: for example: capabilities = { max_output = 8192 }"
            ),
        ),
        (
            QWEN + "max_output = 7\n",
            "config.toml:6: routes[0].max_output: unknown key\n  hint: it belongs under [routes.capabilities]",
        ),
        (
            QWEN + '[routes.capabilities]\nvia = "invoke"\n',
            (
                "config.toml:7: routes[0].capabilities.via: unknown key\n"
                "  hint: it belongs to the route itself: write it above the line [routes.capabilities]"
            ),
        ),
        (
            QWEN + "[routes.capabilities]\nmax_outputs = 7\n",
            'config.toml:7: routes[0].capabilities.max_outputs: unknown key\n  hint: did you mean "max_output"?',
        ),
        (
            QWEN + "[routes.capabilities]\nmax_output = true\n",
            (
                "config.toml:7: routes[0].capabilities.max_output: must be an integer, but is a boolean\n"
                "  hint: for example: max_output = 8192"
            ),
        ),
        (
            QWEN + "[routes.capabilities]\ncontext = 0\n",
            (
                "config.toml:7: routes[0].capabilities.context: must be between 1 and 100000000\n"
                "  hint: it is a number of tokens"
            ),
        ),
        (
            QWEN + '[routes.capabilities]\ntool_choice = ["auto", 7]\n',
            (
                "config.toml:7: routes[0].capabilities.tool_choice: has an element that is unknown here\n"
                '  hint: write none, some or all of: "auto", "any", "tool"'
            ),
        ),
        (
            QWEN + '[routes.capabilities]\ntop_k = "google"\n',
            (
                'config.toml:7: routes[0].capabilities.top_k: is unknown: "google"\n'
                '  hint: write one of: anthropic, nova, "" for none'
            ),
        ),
        (
            QWEN + '[routes.capabilities]\nbetas = ["Bad Flag"]\n',
            (
                "config.toml:7: routes[0].capabilities.betas: has an element that is no anthropic-beta value\n"
                '  hint: write them as in "context-1m-2025-08-07"'
            ),
        ),
    ],
)
def test_what_does_not_go_together_is_said_with_its_line(said: Said, text: str, wanted: str) -> None:
    assert said(route(text)) == wanted


def test_an_unknown_capability_that_is_like_none_gets_the_list(said: Said) -> None:
    assert "known here: family, max_output, context" in said(route(QWEN) + "[routes.capabilities]\nzzz = 1\n")


def test_everything_is_said_at_once(said: Said) -> None:
    text = QWEN + 'via = "messages"\nservice_tier = "flex"\n[routes.capabilities]\nzzz = 1\nimages = 1\n'
    assert said(route(text)).count("hint: ") == 4


def test_a_geo_may_be_declared_for_an_id_without_one() -> None:
    (found,) = parse(route(QWEN + 'geo = "us"\n'), "config.toml").routes
    assert found.geo == "us"


def test_a_route_to_anthropic_takes_none_of_it(said: Said) -> None:
    text = route(
        'match = "claude-*"\nto = "anthropic"\nvia = "invoke"\n[routes.capabilities]\nimages = true\n'
    )
    assert said(text).count('has no meaning on a route to "anthropic"') == 2
