"""Why a setting of another gateway has no counterpart here. A reason is a text and a hint, None where nothing is lost."""

import re
from collections.abc import Mapping
from typing import Final

Reason = tuple[str, str]

_SECRET_NAME: Final = re.compile(r"key|token|secret|passw|credential|auth", re.IGNORECASE)

_ONE_EACH: Final = (
    "openClaude asks one provider for each name: no load balancing, no second attempt elsewhere",
    "",
)
_CLIENT: Final = ("Claude Code's request says it; openClaude changes it only where the model has a limit", "")
_RETRIES: Final = ("Claude Code repeats and times out by itself, and two ladders would multiply", "")
_LOGGING: Final = (
    "openClaude sends nothing to third parties and keeps no bodies",
    "`openclaude logs` has one line for each request",
)
_KEYS: Final = (
    "openClaude's configuration holds no keys; the value was neither shown nor copied",
    'put AWS keys into a profile (`aws configure --profile NAME`) and write profile = "NAME" on the route',
)
_ROLE: Final = (
    "roles belong in an AWS profile",
    "write role_arn and source_profile into ~/.aws/config, and name that profile on the route",
)
_LIMITS: Final = (
    "limits and abilities come from openClaude's own model profiles",
    "`openclaude routes --verbose` shows them; [routes.capabilities] corrects them",
)
_PRICES: Final = ("openClaude keeps no prices", "`openclaude aws models` lists those of AWS")
_HEADERS: Final = ("headers for a provider are made from a fixed list", "")
_NOTHING: Final = ("nothing here corresponds to it", "")

SETTINGS: Final[Mapping[str, Reason | None]] = {
    "litellm_settings.drop_params": None,
    "litellm_settings.modify_params": None,
    "litellm_settings.set_verbose": None,
    "litellm_settings.forward_client_headers_to_llm_api": None,
    "general_settings.forward_client_headers_to_llm_api": None,
    "general_settings.master_key": (
        "clients of openClaude need no key, its gateway has a secret of its own; the value was neither shown nor copied",
        "",
    ),
    "general_settings.database_url": (
        "openClaude has no database; the value was neither shown nor copied",
        "",
    ),
    "environment_variables": (
        "openClaude takes no environment from its configuration; the value was neither shown nor copied",
        "set it in the shell openclaude is started from; AWS keys are better kept in a profile",
    ),
    "include": ("other files are not opened", "give them to the command as well"),
    "litellm_settings.success_callback": _LOGGING,
    "litellm_settings.failure_callback": _LOGGING,
    "litellm_settings.callbacks": _LOGGING,
    "litellm_settings.fallbacks": _ONE_EACH,
    "litellm_settings.default_fallbacks": _ONE_EACH,
    "litellm_settings.context_window_fallbacks": _ONE_EACH,
    "litellm_settings.num_retries": _RETRIES,
    "litellm_settings.request_timeout": _RETRIES,
    "router_settings.timeout": _RETRIES,
    "router_settings.num_retries": _RETRIES,
    "router_settings": _ONE_EACH,
    "": _NOTHING,
}
"""Settings beside the models, by `section.key`, by `section`, or for all the rest."""

ENTRY: Final[Mapping[str, Reason | None]] = {
    **dict.fromkeys(
        (
            "model",
            "api_base",
            "base_url",
            "aws_region_name",
            "aws_profile_name",
            "aws_bedrock_runtime_endpoint",
            "custom_llm_provider",
            "forward_client_headers_to_llm_api",
            "drop_params",
            "reasoning_effort",
            "model_info.base_model",
            "model_info.id",
            "model_info.mode",
        )
    ),
    **dict.fromkeys(("aws_access_key_id", "aws_secret_access_key", "aws_session_token"), _KEYS),
    **dict.fromkeys(
        (
            "aws_role_name",
            "aws_session_name",
            "aws_external_id",
            "aws_web_identity_token",
            "aws_sts_endpoint",
        ),
        _ROLE,
    ),
    **dict.fromkeys(("rpm", "tpm", "weight", "order", "max_parallel_requests", "tags"), _ONE_EACH),
    **dict.fromkeys(("timeout", "stream_timeout", "max_retries", "num_retries", "cooldown_time"), _RETRIES),
    **dict.fromkeys(("temperature", "top_p", "top_k", "max_tokens", "stop", "seed", "thinking"), _CLIENT),
    **dict.fromkeys(
        (
            "input_cost_per_token",
            "output_cost_per_token",
            "model_info.input_cost_per_token",
            "model_info.output_cost_per_token",
        ),
        _PRICES,
    ),
    **dict.fromkeys(("extra_headers", "headers", "extra_body"), _HEADERS),
    "api_key": (
        "requests carry the login that Claude Code sends, so no key is needed; the value was neither shown nor copied",
        "",
    ),
    "api_key.bedrock": (
        "openClaude's configuration holds no keys; the value was neither shown nor copied",
        "set AWS_BEARER_TOKEN_BEDROCK in the shell openclaude is started from",
    ),
    "additional_drop_params": _LIMITS,
    "allowed_openai_params": _LIMITS,
    "model_info": _LIMITS,
    "": _NOTHING,
}
"""Keys of `litellm_params`, and of `model_info` behind a dot."""


def because(table: Mapping[str, Reason | None], section: str, key: str) -> Reason | None:
    """The reason for a key, else for its section, else for all the rest; None where nothing is lost."""
    names = [f"{section}.{key}" if key else section, section, ""]
    return table[next(name for name in names if name in table)]


def is_secret_name(name: str) -> bool:
    """Whether a key or a variable is named like a secret: its value is then not even looked at."""
    return bool(_SECRET_NAME.search(name))
