"""Which environment variables could take the client's login elsewhere, and what becomes of each.

The client applies the `env` of settings files to its own process: a repository's `.claude/settings.json` beats the
shell, and `--settings` beats the repository. So every name below is given by `--settings`, empty where it must not
have a value; empty is the client's "not set".

Found by reading the names in the client (2.1.330) and by giving each to it in a repository's settings, with a stored
login, a recorder as gateway and another as attacker. `Standing` says what was seen. The client refuses some names
from repositories by itself; names that no settings file may set, or whose emptiness would break other programs
(`SSL_CERT_FILE`, `TMPDIR`, `CLAUDE_CONFIG_DIR`), are left out: seen to have no effect on the client's connections.
Of the names that 2.1.331 and 2.1.332 brought, none had any.
"""

from dataclasses import dataclass
from enum import Enum


class Pin(Enum):
    """What the client is told a variable's value is."""

    NOTHING = "empty, whoever set it"
    OWN = "what the user set (shell, own settings), or empty"
    MODEL = "what the user set if a route takes that model, or empty"
    LOGIN = "empty, unless the user set it: then it is left out, so that no login is written to a file"


class Standing(Enum):
    """What the client did when only a repository's settings gave the variable."""

    OBSERVED = "the repository won: login, refresh token or session went where it said"
    PRECAUTION = "no effect seen; kept for other versions, and because the shell may set it"


@dataclass(frozen=True, slots=True)
class Group:
    """Variables that share a treatment and a reason."""

    pin: Pin
    standing: Standing
    reason: str
    names: tuple[str, ...]


BASE_URL = "ANTHROPIC_BASE_URL"
CUSTOM_HEADERS = "ANTHROPIC_CUSTOM_HEADERS"
LOGIN_VARIABLE = "ANTHROPIC_AUTH_TOKEN"
EXTRA_AUTHORITIES = "NODE_EXTRA_CA_CERTS"
VERIFY = "NODE_TLS_REJECT_UNAUTHORIZED"
CLIENT_CERTIFICATE = "CLAUDE_CODE_CLIENT_CERT"
CLIENT_KEY = "CLAUDE_CODE_CLIENT_KEY"
TRANSPORT = (EXTRA_AUTHORITIES, VERIFY, CLIENT_CERTIFICATE, CLIENT_KEY)
"""How the client knows the gateway and the gateway the client; set wherever TLS is spoken."""
WINDOW = "CLAUDE_CODE_MAX_CONTEXT_TOKENS"
SMALL_FAST = "ANTHROPIC_SMALL_FAST_MODEL"
NO_PROXY = ("NO_PROXY", "no_proxy")
SLOT_VARIABLES = {
    "opus": "ANTHROPIC_DEFAULT_OPUS_MODEL",
    "sonnet": "ANTHROPIC_DEFAULT_SONNET_MODEL",
    "haiku": "ANTHROPIC_DEFAULT_HAIKU_MODEL",
    "fable": "ANTHROPIC_DEFAULT_FABLE_MODEL",
}

GROUPS = (
    Group(
        Pin.NOTHING,
        Standing.OBSERVED,
        "another credential: it replaces the plan login, or rides beside it",
        ("ANTHROPIC_API_KEY", LOGIN_VARIABLE),
    ),
    Group(
        Pin.NOTHING,
        Standing.OBSERVED,
        "another provider: the session leaves the gateway altogether",
        (
            "CLAUDE_CODE_USE_BEDROCK",
            "CLAUDE_CODE_USE_VERTEX",
            "CLAUDE_CODE_USE_FOUNDRY",
            "CLAUDE_CODE_USE_MANTLE",
            "CLAUDE_CODE_USE_ANTHROPIC_AWS",
            "CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD",
            "CLAUDE_CODE_USE_GATEWAY",
        ),
    ),
    Group(
        Pin.NOTHING,
        Standing.OBSERVED,
        "where another provider is, how to skip its authentication, its key: dead without the switch, gone with it",
        (
            "ANTHROPIC_BEDROCK_BASE_URL",
            "ANTHROPIC_BEDROCK_MANTLE_BASE_URL",
            "ANTHROPIC_VERTEX_BASE_URL",
            "ANTHROPIC_FOUNDRY_BASE_URL",
            "ANTHROPIC_FOUNDRY_RESOURCE",
            "ANTHROPIC_FOUNDRY_API_KEY",
            "ANTHROPIC_FOUNDRY_AUTH_TOKEN",
            "ANTHROPIC_AWS_BASE_URL",
            "ANTHROPIC_AWS_API_KEY",
            "ANTHROPIC_GOOGLE_CLOUD_BASE_URL",
            "CLAUDE_CODE_SKIP_BEDROCK_AUTH",
            "CLAUDE_CODE_SKIP_VERTEX_AUTH",
            "CLAUDE_CODE_SKIP_FOUNDRY_AUTH",
            "CLAUDE_CODE_SKIP_MANTLE_AUTH",
            "CLAUDE_CODE_SKIP_ANTHROPIC_AWS_AUTH",
            "CLAUDE_CODE_SKIP_ANTHROPIC_GOOGLE_CLOUD_AUTH",
        ),
    ),
    Group(
        Pin.NOTHING,
        Standing.PRECAUTION,
        "workload identity and named profiles: another login instead of the plan's",
        (
            "ANTHROPIC_PROFILE",
            "ANTHROPIC_FEDERATION_RULE_ID",
            "ANTHROPIC_ORGANIZATION_ID",
            "ANTHROPIC_SERVICE_ACCOUNT_ID",
            "ANTHROPIC_WORKSPACE_ID",
            "ANTHROPIC_SCOPE",
            "ANTHROPIC_IDENTITY_TOKEN",
            "ANTHROPIC_IDENTITY_TOKEN_FILE",
        ),
    ),
    Group(
        Pin.NOTHING,
        Standing.PRECAUTION,
        "another way to the API, or other hosts for what the client sends its login to directly",
        (
            "ANTHROPIC_UNIX_SOCKET",
            "CLAUDE_CODE_RUNNER_MODEL_SOCKET",
            "_CLAUDE_CODE_ASSUME_FIRST_PARTY_BASE_URL",
            "CLAUDE_CODE_API_BASE_URL",
            "CLAUDE_CODE_CUSTOM_OAUTH_URL",
            "CLAUDE_CODE_CLIENT_DATA_URL",
            "CLAUDE_CODE_GB_BASE_URL",
            "CLAUDE_LOCAL_OAUTH_API_BASE",
            "CLAUDE_LOCAL_OAUTH_APPS_BASE",
            "CLAUDE_LOCAL_OAUTH_CONSOLE_BASE",
            "USE_LOCAL_OAUTH",
            "USE_STAGING_OAUTH",
            "CLAUDE_BRIDGE_BASE_URL",
            "CLAUDE_BRIDGE_SESSION_INGRESS_URL",
            "CLAUDE_BRIDGE_OAUTH_TOKEN",
            "CLAUDE_REMOTE_TOOLS_BRIDGE_URL",
        ),
    ),
    Group(
        Pin.NOTHING,
        Standing.PRECAUTION,
        "a host program that says it owns the credential: the stored login is then not used",
        (
            "CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST",
            "CLAUDE_CODE_HOST_AUTH_ENV_VAR",
            "CLAUDE_CODE_HOST_CREDS_FILE",
            "CLAUDE_CODE_LAUNCHER_RUNS_API_KEY_HELPER",
            "CLAUDE_CODE_SIMPLE",
        ),
    ),
    Group(
        Pin.NOTHING,
        Standing.PRECAUTION,
        "an inherited descriptor with another credential",
        ("CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR", "CLAUDE_CODE_GATEWAY_TOKEN_FILE_DESCRIPTOR"),
    ),
    Group(
        Pin.NOTHING,
        Standing.PRECAUTION,
        "compressed requests: the gateway has to read the model in them, and refuses what it would have to unpack",
        ("CLAUDE_CODE_GZIP_REQUEST_BODIES",),
    ),
    Group(
        Pin.LOGIN,
        Standing.PRECAUTION,
        "another account's login; the client takes these from the user only, a repository's are refused",
        (
            "CLAUDE_CODE_OAUTH_TOKEN",
            "CLAUDE_CODE_OAUTH_REFRESH_TOKEN",
            "CLAUDE_CODE_OAUTH_SCOPES",
            "CLAUDE_CODE_OAUTH_CLIENT_ID",
            "CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR",
            "CLAUDE_CODE_SESSION_ACCESS_TOKEN",
            "CLAUDE_CODE_SESSIONS_OAUTH_TOKEN",
        ),
    ),
    Group(
        Pin.OWN,
        Standing.OBSERVED,
        "the client's direct calls (login refresh, account) go through it; with ALL_PROXY the refresh token "
        "travels to it in clear, and all of them take loopback requests too unless NO_PROXY forbids",
        ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"),
    ),
    Group(
        Pin.OWN,
        Standing.OBSERVED,
        "together with a proxy it opens the client's own TLS: access and refresh token were read",
        (EXTRA_AUTHORITIES, VERIFY),
    ),
    Group(
        Pin.OWN,
        Standing.PRECAUTION,
        "the rest of the client's transport: proxy, trust, client certificate, options of its runtime",
        (
            "CLAUDE_CODE_HTTP_PROXY",
            "CLAUDE_CODE_HTTPS_PROXY",
            "CLAUDE_CODE_PROXY_RESOLVES_HOSTS",
            "CLAUDE_CODE_ENABLE_PROXY_AUTH_HELPER",
            "CLAUDE_CODE_CERT_STORE",
            CLIENT_CERTIFICATE,
            CLIENT_KEY,
            "CLAUDE_CODE_CLIENT_KEY_PASSPHRASE",
            "BUN_TLS_REFUSE_DISTRUSTED_KEYS",
            "NODE_OPTIONS",
            "BUN_OPTIONS",
            "SSLKEYLOGFILE",
        ),
    ),
    Group(
        Pin.MODEL,
        Standing.OBSERVED,
        "model names: one that no route takes ends the session with a 404",
        ("ANTHROPIC_MODEL", "ANTHROPIC_DEFAULT_MODEL", *SLOT_VARIABLES.values()),
    ),
    Group(
        Pin.MODEL,
        Standing.PRECAUTION,
        "model names of background calls and sub-agents",
        (
            SMALL_FAST,
            "CLAUDE_CODE_SUBAGENT_MODEL",
            "CLAUDE_CODE_WORKFLOW_SUBAGENT_MODEL",
            "CLAUDE_CODE_AUTO_MODE_MODEL",
            "CLAUDE_CODE_BG_CLASSIFIER_MODEL",
            "ANTHROPIC_CUSTOM_MODEL_OPTION",
        ),
    ),
)

PIN_OF = {name: group.pin for group in GROUPS for name in group.names}

# Settings keys that run a command for a credential, or choose a login. A helper's answer replaces the plan login
# (seen: it went out in both credential headers). forceLogin* is an enumeration, which cannot be emptied; the
# isolated set-up drops it.
HELPER_KEYS = ("apiKeyHelper", "awsAuthRefresh", "awsCredentialExport", "gcpAuthRefresh")
OWN_HELPER_KEYS = ("proxyAuthHelper", "otelHeadersHelper")
LOGIN_KEYS = ("forceLoginMethod", "forceLoginOrgUUID")
