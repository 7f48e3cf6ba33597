"""Reads one table against the keys it may have."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from openclaude.config.checks import Fault
from openclaude.config.lines import KeyPath
from openclaude.config.report import Report
from openclaude.config.schema import CAPABILITIES, TABLES, Key
from openclaude.domain.models import normalise

_TYPE_NAMES: Final[Mapping[type, str]] = {
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "a table",
}
_INNER: Final = "routes.capabilities"
_LOOPBACK: Final = ("the gateway listens on 127.0.0.1 and nowhere else", "remove the line")
_FLAG_ONLY: Final = ("is a flag and no setting", "remove the line; see `openclaude serve --help`")
_LEFT_OUT: Final[Mapping[tuple[str, str], Fault]] = {
    ("gateway", "host"): _LOOPBACK,
    ("gateway", "bind"): _LOOPBACK,
    ("gateway", "listen"): _LOOPBACK,
    ("gateway", "connect_to"): _FLAG_ONLY,
    ("gateway", "ca_file"): _FLAG_ONLY,
}
"""Keys people look for, and that are no settings on purpose."""


def read_table(
    report: Report,
    path: KeyPath,
    table: object,
    keys: Mapping[str, Key],
    unknown: Callable[[str], Fault] | None = None,
) -> dict[str, Any]:
    """The entries that are right, model names normalised; everything else goes into the report.

    Args:
        report: takes the problems.
        path: where the table is.
        table: what stands there, of any type.
        keys: the keys the table may have.
        unknown: what to say of a key it may not have; None for the general answer.
    """
    if not isinstance(table, dict):
        report.add(
            path, (wrong_type(dict, table), f"write its keys below a line that says {header(str(path[0]))}")
        )
        return {}
    for name in table:
        if name not in keys and (*path, name) not in report.refused:
            report.add((*path, name), (unknown or _unknown_in(path))(name))
    return {
        name: _used(report, table[name], key)
        for name, key in keys.items()
        if name in table and _is_right(report, (*path, name), table[name], key)
    }


def unknown_key(table: str, name: str) -> Fault:
    """What to say of a key that `table` does not have; `table` is empty for the top of the file."""
    return _LEFT_OUT.get((table, name)) or ("unknown key", _suggestion(table, name))


def unknown_table(name: str) -> Fault:
    """What to say of a table that the file may not have."""
    close = _closest(name, TABLES)
    return "unknown table", f'did you mean "{close}"?' if close else f"known here: {', '.join(TABLES)}"


def header(table: str) -> str:
    """The line that begins a table of this name."""
    return "[[routes]]" if table == "routes" else f"[{table}]"


def example(name: str, key: Key) -> str:
    """A hint that shows how the key is written."""
    return f"for example: {name} = {key.example}"


def wrong_type(wanted: type, value: object) -> str:
    """What to say of a value of another type. The value is not shown: what is not understood may be a secret."""
    return f"must be {_TYPE_NAMES[wanted]}, but is {_TYPE_NAMES.get(type(value), 'a date or time')}"


def _unknown_in(path: KeyPath) -> Callable[[str], Fault]:
    table = str(path[0])
    return lambda name: unknown_key(table, name)


def _is_right(report: Report, path: KeyPath, value: object, key: Key) -> bool:
    if path in report.refused:
        return False
    # The exact type: a boolean is an instance of int, and no number.
    if type(value) is key.kind:
        fault = key.check(value)
    else:
        fault = wrong_type(key.kind, value), example(str(path[-1]), key)
    if fault:
        report.add(path, fault)
    return not fault


def _used(report: Report, written: Any, key: Key) -> Any:
    if not key.names_model:
        return written
    used = normalise(written)
    if used != written:
        report.normalised[written] = used
    return used


def unknown_capability(name: str) -> Fault:
    """What to say of a key that `[routes.capabilities]` does not have."""
    if name in TABLES["routes"]:
        return "unknown key", f"it belongs to the route itself: write it above the line {header(_INNER)}"
    close = _closest(name, CAPABILITIES)
    hint = f'did you mean "{close}"?' if close else f"known here: {', '.join(CAPABILITIES)}"
    return "unknown key", hint


def _suggestion(table: str, name: str) -> str:
    known = list(TABLES[table] if table else TABLES)
    tables = {_INNER: CAPABILITIES, **TABLES}
    homes = {key: other for other, keys in tables.items() for key in keys if key not in known}
    if name in homes:
        return f"it belongs under {header(homes[name])}"
    close = _closest(name, [*known, *homes])
    if close in homes:
        return f'did you mean "{close}", under {header(homes[close])}?'
    return f'did you mean "{close}"?' if close else f"known here: {', '.join(known)}"


def _closest(name: str, known: Iterable[str]) -> str:
    """The known name that is most like `name`; empty when none is."""
    import difflib  # noqa: PLC0415 - only a file with a problem needs it

    return next(iter(difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.7)), "")
