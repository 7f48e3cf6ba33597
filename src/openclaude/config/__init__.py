"""The configuration file: TOML in, one frozen value or every problem at once out.

Config: what the file says, checked, with model names normalised.
RouteConfig: one `[[routes]]` entry: a pattern for model names and where they go.
Preset: the commented text a new configuration file starts as.
Problem: one thing wrong, with its file, line and key, what is wrong and what to do.
"""

from openclaude.config.backups import back_up, backups, restore
from openclaude.config.checks import region as region_fault
from openclaude.config.dialects import capabilities
from openclaude.config.files import (
    config_path,
    ensure_written,
    home,
    load,
    load_existing,
    write_preset,
    write_text,
)
from openclaude.config.presets import PRESETS, REGION, is_preset, preset_text
from openclaude.config.profiles import digest, load_profile, load_profiles, profile_path
from openclaude.config.profiles import names as profile_names
from openclaude.config.reading import parse, parse_bytes
from openclaude.config.values import (
    DEFAULT_PORT,
    Config,
    ConfigError,
    Problem,
    RouteConfig,
    conditions_of,
)

__all__ = [
    "DEFAULT_PORT",
    "PRESETS",
    "REGION",
    "Config",
    "ConfigError",
    "Problem",
    "RouteConfig",
    "back_up",
    "backups",
    "capabilities",
    "conditions_of",
    "config_path",
    "digest",
    "ensure_written",
    "home",
    "is_preset",
    "load",
    "load_existing",
    "load_profile",
    "load_profiles",
    "parse",
    "parse_bytes",
    "preset_text",
    "profile_names",
    "profile_path",
    "region_fault",
    "restore",
    "write_preset",
    "write_text",
]
