"""From TOML text to a Config, or to every problem in it at once.

There is no interpolation of environment variables: what the file says is what is used.
"""

import re
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from openclaude.config.checks import region_of_model
from openclaude.config.fallbacks import normalised, report_fallbacks
from openclaude.config.lines import KeyPath, Lines, TooDeepError, endless_key, locate
from openclaude.config.moves import condition_of, report_moves
from openclaude.config.presets import PRESETS
from openclaude.config.report import Report
from openclaude.config.routing import LOGIN_IS_BOUND, Entry, goes_to_anthropic, read_routes, report_unrouted
from openclaude.config.schema import TABLES
from openclaude.config.secrets import secret_paths
from openclaude.config.tables import read_table, unknown_key, unknown_table
from openclaude.config.values import DEFAULT_LINGER, DEFAULT_PORT, Config, ConfigError, Problem, RouteConfig

_PLACE: Final = re.compile(r"line (\d+), column (\d+)")
_CREDENTIAL: Final = (
    "credentials may not be in this file",
    'keep them in an AWS profile (`aws configure --profile NAME`) and write profile = "NAME"',
)
_TOO_DEEP: Final = ("is nested too deeply", "no setting is inside more than two tables")


def parse_bytes(data: bytes, filename: str) -> Config:
    """As `parse`, for the bytes of a file.

    Raises:
        ConfigError: the bytes are not UTF-8, or as in `parse`.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = Problem(filename, line, "", "is not UTF-8 text", "save the file in the encoding UTF-8")
        raise ConfigError([problem]) from None
    return parse(text, filename)


def parse(text: str, filename: str) -> Config:
    """The configuration a text says. A byte order mark at its beginning is ignored.

    A text with neither `[slots]` nor `[[routes]]` keeps the default ones; with routes, what is written is all.

    Args:
        text: TOML.
        filename: for messages; becomes `Config.source`.

    Raises:
        ConfigError: with every problem of the text.
    """
    import hashlib  # noqa: PLC0415 - most commands never read a configuration

    data, lines = _toml(text.removeprefix("\ufeff"), filename)
    report = Report(filename, lines)
    _refuse_credentials(report, data)
    _refuse_unknown(report, data)
    data = _with_defaults(data)
    gateway, client, slots = (
        read_table(report, (name,), data.get(name, {}), TABLES[name])
        for name in ("gateway", "client", "slots")
    )
    entries = read_routes(report, data["routes"])
    report_unrouted(report, slots, entries)
    report_moves(report, entries)
    report_fallbacks(report, entries)
    report.close()
    return Config(
        port=gateway.get("port", DEFAULT_PORT),
        slots=MappingProxyType(slots),
        routes=tuple(_route(entry, report.line(("routes", index))) for index, entry in enumerate(entries)),
        client_config=client.get("config", "shared"),
        source=Path(filename),
        text_sha256=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        normalised=tuple(report.normalised.items()),
        linger=gateway.get("linger", DEFAULT_LINGER),
    )


def _toml(text: str, filename: str) -> tuple[dict[str, Any], Lines]:
    import tomllib  # noqa: PLC0415 - most commands never read a configuration

    endless = endless_key(text)
    if endless:
        raise ConfigError([Problem(filename, endless, "", *_TOO_DEEP)])
    try:
        return tomllib.loads(text), locate(text)
    except tomllib.TOMLDecodeError as error:
        problem = _syntax_problem(text, filename, str(error))
    except (RecursionError, TooDeepError):
        problem = Problem(filename, 0, "", *_TOO_DEEP)
    except ValueError:
        # Python converts no integer of more than 4300 digits.
        problem = Problem(
            filename, 0, "", "has a number that is too long", "port is 1 to 65535, linger counts seconds"
        )
    raise ConfigError([problem])


def _syntax_problem(text: str, filename: str, message: str) -> Problem:
    what, _, where = message.partition(" (at ")
    place = _PLACE.match(where)
    line = int(place[1]) if place else text.count("\n") + 1
    column = f", at column {place[2]}" if place else ""
    hint = 'texts need quotes, a table is [name], a route begins with [[routes]], a comment with "#"'
    return Problem(filename, line, "", f"is not valid TOML: {what}{column}", hint)


def _refuse_credentials(report: Report, data: dict[str, Any]) -> None:
    for path in secret_paths(data):
        report.refused.add(path)
        report.add(path, LOGIN_IS_BOUND if _is_beside_login(data, path) else _CREDENTIAL)


def _is_beside_login(data: dict[str, Any], path: KeyPath) -> bool:
    """Whether the path is inside a route to Anthropic."""
    match path:
        case ("routes", int(index), _, *_):
            return goes_to_anthropic(data["routes"][index])
        case _:
            return False


def _refuse_unknown(report: Report, data: dict[str, Any]) -> None:
    for name, value in data.items():
        if name not in TABLES and (name,) not in report.refused:
            report.add((name,), unknown_table(name) if isinstance(value, dict) else unknown_key("", name))


def _with_defaults(data: dict[str, Any]) -> dict[str, Any]:
    if "routes" in data:
        return data
    default, _ = _toml(PRESETS["mixed"], "mixed")
    return {"slots": default["slots"]} | data | {"routes": default["routes"]}


def _route(entry: Entry, line: int) -> RouteConfig:
    endpoint = entry.get("endpoint_url")
    return RouteConfig(
        match=entry["match"],
        to=entry["to"],
        model=entry.get("model"),
        region=entry.get("region") or region_of_model(entry.get("model", "")),
        profile=entry.get("profile"),
        endpoint_url=endpoint and endpoint.lower(),
        line=line,
        via=entry.get("via"),
        endpoint=entry.get("endpoint", "mantle"),
        workspace=entry.get("workspace"),
        base_model=entry.get("base_model"),
        geo=entry.get("geo"),
        service_tier=entry.get("service_tier"),
        reasoning=entry.get("reasoning"),
        fips=entry.get("fips", False),
        dualstack=entry.get("dualstack", False),
        capabilities=MappingProxyType(entry.get("capabilities", {})),
        when_unsupported=entry.get("when_unsupported"),
        reroute_safeguards=entry.get("reroute_safeguards", False),
        agent=entry.get("agent"),
        kinds=condition_of(entry).kinds,
        fallback=normalised(entry.get("fallback", ())),
        spill_at=entry.get("spill_at"),
    )
