"""The texts a configuration file starts as. They are parsed like any file; the mixed one is also the default."""

import re
from types import MappingProxyType
from typing import Final

_GATEWAY: Final = """\
[gateway]
port = 4000                     # on 127.0.0.1, and nowhere else

"""
_HEAD: Final = f"""\
# openClaude: who answers which of Claude Code's tiers, and with which credential.
# After a change: openclaude config check

{_GATEWAY}# [client]
# config = "isolated"           # give Claude Code a folder of its own; "shared" (default): it keeps the one it has

"""

_CLAUDE_ROUTE: Final = """\
[[routes]]                      # first match wins; exact name, or glob with * and ?
match = "claude-*"
to    = "anthropic"             # the client's own login, byte for byte, to https://api.anthropic.com only
"""

_MIXED: Final = f"""\
{_HEAD}[slots]                         # what Claude Code's tiers are called on the wire
haiku = "qwen-3-coder"          # opus, sonnet, fable: unset = the client's own default

{_CLAUDE_ROUTE}
[[routes]]
match  = "qwen-3-coder"
to     = "bedrock"              # signed with AWS credentials; the client's login never goes there
model  = "qwen.qwen3-coder-next"
region = "us-west-2"            # a region in which your AWS account has access to the model
# What this model cannot do (web search, images, PDFs, more than its window) goes to the model named here, with that
# route's credential: your Claude plan. Only that one request; remove the line and it is degraded or refused instead.
when_unsupported = "claude-haiku-5-5"
# No profile: AWS's default chain finds the credentials (AWS_PROFILE, environment, [default], ...).
# profile = "openclaude"        # optional: this profile of ~/.aws, and no other credentials
# endpoint_url = "https://vpce-0123.bedrock-runtime.us-west-2.vpce.amazonaws.com"   # optional: a VPC endpoint
"""

_ALL_ANTHROPIC: Final = f"""\
{_HEAD}[slots]                         # every tier keeps the client's own default model
# haiku = "claude-haiku-5-5"    # or name one: opus, sonnet, haiku, fable

{_CLAUDE_ROUTE}"""

_ALL_BEDROCK: Final = f"""\
{_HEAD}[slots]                         # every tier keeps the client's own default name, which a route below takes
# haiku = "claude-haiku-5-5"    # or name another that a route takes: opus, sonnet, haiku, fable

# Signed with AWS credentials; the client's login goes nowhere. A region in which your AWS account has access to the
# models; "us." keeps inference in the US: "eu.", "apac.", "jp.", "au." or "global." for other regions.

[[routes]]                      # first match wins; exact name, or glob with * and ?
match  = "claude-opus-5-5"
to     = "bedrock"
model  = "us.anthropic.claude-opus-5-5"
region = "us-west-2"

[[routes]]
match  = "claude-sonnet-5-5"
to     = "bedrock"
model  = "us.anthropic.claude-sonnet-5-5"
region = "us-west-2"

[[routes]]
match  = "claude-haiku-5-5"
to     = "bedrock"
model  = "us.anthropic.claude-haiku-5-5"
region = "us-west-2"

[[routes]]
match  = "claude-fable-5-2"
to     = "bedrock"
model  = "us.anthropic.claude-fable-5-1"   # the newest Fable on Bedrock
region = "us-west-2"

[[routes]]
match  = "claude-sonnet-5"      # what the client asks in auto mode whether an action is safe
to     = "bedrock"
model  = "us.anthropic.claude-sonnet-5-5"
region = "us-west-2"
# No profile: AWS's default chain finds the credentials (AWS_PROFILE, environment, [default], ...).
# profile = "openclaude"        # optional, for each route: this profile of ~/.aws, and no other credentials
"""

PRESETS: Final = MappingProxyType(
    {"mixed": _MIXED, "all-anthropic": _ALL_ANTHROPIC, "all-bedrock": _ALL_BEDROCK}
)
"""Preset name to file text."""

REGION: Final = "us-west-2"
"""The region of the presets as they stand here."""
_REGION_LINE: Final = re.compile(r'^region = "([^"]*)"', re.MULTILINE)
_GEOS: Final = (
    ("us-gov-", "us-gov"),
    ("us-", "us"),
    ("ca-", "us"),
    ("eu-", "eu"),
    ("ap-northeast-1", "jp"),
    ("ap-northeast-3", "jp"),
    ("ap-southeast-2", "au"),
    ("ap-southeast-4", "au"),
    ("ap-", "apac"),
)
"""What a region begins with, to the geo of the inference profiles that can be called there; else there is `global`."""


def preset_text(preset: str, region: str = REGION, *, of_profile: bool = False) -> str:
    """The text of a preset whose Bedrock routes are in `region`; a profile has no gateway of its own."""
    geo = next((geo for start, geo in _GEOS if region.startswith(start)), "global")
    text = _REGION_LINE.sub(f'region = "{region}"', PRESETS[preset])
    text = text.replace(_GATEWAY, "") if of_profile else text
    return text.replace('"us.anthropic.', f'"{geo}.anthropic.')


def is_preset(text: str) -> bool:
    """Whether a text is a preset that nobody has edited, in whatever region."""
    found = _REGION_LINE.search(text)
    region = found[1] if found else REGION
    kinds = [(name, of_profile) for name in PRESETS for of_profile in (False, True)]
    return any(text == preset_text(name, region, of_profile=of_profile) for name, of_profile in kinds)
