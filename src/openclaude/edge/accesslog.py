"""The gateway's log: one line for each request and for each event of its life, in `key=value` form.

A line is built from typed fields; bodies and secrets have no field. Foreign text is escaped, so that a model name
cannot forge a line or drive a terminal. A full disk loses lines, counts them, and stops no request.
"""

import functools
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from openclaude.domain.access import AccessRecord
from openclaude.domain.routes import MATCH

MAX_BYTES: Final = 5 * 1024 * 1024
KEPT: Final = 2
TICK: Final = 0.1
"""Seconds: so long lines of a burst are held at most, and so many of them a crash can lose."""
_TICK_MS: Final = int(TICK * 1000)
BURST: Final = 16
"""Lines written one by one in a tick; the further ones of it are put together and written as one, which takes less of a busy
gateway. No session of a client has so many."""
MOST_HELD: Final = 256
TIME_FORM: Final = "%.3f"
"""A time in seconds as it stands in a line."""
UNTOLD: Final = "-"
"""What stands for a figure that nobody told."""
_PLAIN: Final = re.compile(r"[!#-<>-\[\]-~]+")


def shown(value: str) -> str:
    """A value as it stands in a line: quoted where it is not plain, with everything unprintable escaped."""
    if (value.isidentifier() and value.isascii()) or _PLAIN.fullmatch(value) is not None:
        return value
    escaped = "".join(_escaped(char) for char in value[:300])
    return f'"{escaped}"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if char.isprintable() and (char == " " or not char.isspace()):
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


@functools.lru_cache(maxsize=512)
def line_form(values: tuple[str, str, str, str, int, str, str, str, str]) -> str:
    """What stands in line after line, with gaps for what each request has of its own.

    The values are an AccessRecord's endpoint, slot, model, route, status, outcome, upstream model, reason, and credential.
    To be filled by `%`, in this order: the request's name; `TIME_FORM` to the first byte and to the end; bytes in and out;
    input and output tokens, or `UNTOLD`; and the rest of the line.
    """
    kind, slot, model, route, status, outcome, upstream_model, reason, credential = values
    front = (
        f" kind={shown(kind)} slot={shown(slot or '-')} model={shown(model or '-')} route={shown(route or '-')} "
        f"status={status or '-'} outcome={shown(outcome)} "
    )
    back = ""
    if upstream_model and upstream_model != model:
        back += f" upstream_model={shown(upstream_model)}"
    if reason and reason != MATCH:
        back += f" reason={shown(reason)}"
    if credential:
        back += f" credential={shown(credential)}"
    return f"request=%s{_kept(front)}first=%s total=%s in=%d out=%d tokens=%s/%s{_kept(back)}%s"


def _kept(text: str) -> str:
    """A text that `%` leaves as it is."""
    return text.replace("%", "%%")


def named_upstream(name: str) -> str:
    """How a line goes on where the provider gave the request a name."""
    return f" upstream_request={shown(name)}"


def request_line(record: AccessRecord) -> str:
    """The line of one request; fields without a value are left out, but for the fixed ones at its start."""
    form = line_form(
        (
            record.endpoint,
            record.slot,
            record.model,
            record.route,
            record.status,
            record.outcome,
            record.upstream_model,
            record.reason,
            record.credential,
        )
    )
    first, asked, said = record.first_byte, record.input_tokens, record.output_tokens
    rest = named_upstream(record.upstream_request_id) if record.upstream_request_id else ""
    if record.attempts:
        rest += f" attempts={shown(','.join(record.attempts))}"
    if record.notes:
        rest += _noted(record.notes)
    return form % (
        shown(record.request_id),
        UNTOLD if first is None else TIME_FORM % first,
        TIME_FORM % record.total,
        record.bytes_in,
        record.bytes_out,
        UNTOLD if asked is None else asked,
        UNTOLD if said is None else said,
        rest,
    )


@functools.lru_cache(maxsize=64)
def _noted(notes: tuple[str, ...]) -> str:
    """Most requests of a session have the same notes."""
    return f" notes={shown(','.join(notes))}"


Later = Callable[[float, Callable[[], None]], object]


class RotatingLog:
    """Appends lines to a file of mode 0600 and starts a new one at `MAX_BYTES`; `KEPT` older ones stay.

    It never raises. A line that cannot be written is lost and counted; the next one that can says how many were. Where the
    older files cannot be moved, the file is begun anew. A file that was moved or removed is made again within a second.

    Args:
        path: the file.
        later: calls a function after some seconds; without it every line is written at once.

    Attributes:
        lost: lines that were not written, or not to their end.
    """

    def __init__(self, path: Path, later: Later | None = None) -> None:
        self._path = path
        self._later = later
        self._tick = 0
        self._burst = 0
        self._held: list[tuple[int, Callable[..., str], tuple[object, ...]]] = []
        self._descriptor: int | None = None
        self._size = 0
        self.lost = 0
        self._untold = 0
        self._torn = False
        self._now = 0
        self._second = self._stamp = ""

    def event(self, name: str, **fields: str) -> None:
        """Log an event of the gateway's own life, and whatever is held before it."""
        self.line(_event(name, **fields))
        self.flush()

    def write(self, record: AccessRecord) -> None:
        """Log a request, which is over."""
        self.line(request_line(record))

    def line(self, text: str) -> None:
        """Log a line; it gets its time here."""
        self.line_of(str, (text,))

    def line_of(self, make: Callable[..., str], values: tuple[object, ...]) -> None:
        """As `line` with what `make` gives for some values: at once, or when a held line is written, many in a row."""
        now, held = time.time_ns() // 1_000_000, self._held
        if not held:
            tick, later = now // _TICK_MS, self._later
            if tick != self._tick:
                self._tick, self._burst = tick, 0
            self._burst += 1
            if later is None or self._burst <= BURST:
                self._write(self._made(now, make, values), 1)
                return
            later(TICK, self.flush)
        held.append((now, make, values))
        if len(held) >= MOST_HELD:
            self.flush()

    def _made(self, now: int, make: Callable[..., str], values: tuple[object, ...]) -> str:
        if now != self._now:
            self._tell_time(now)
        return f"{self._stamp}{make(*values)}\n"

    def _tell_time(self, now: int) -> None:
        """Set the stamp to so many milliseconds since the epoch."""
        second, rest = divmod(now, 1000)
        if second != self._now // 1000:
            self._second = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._follow()
        self._now = now
        self._stamp = f"{self._second}.{rest:03d}Z "

    def flush(self) -> None:
        """Write what is held."""
        if self._held:
            held, self._held = self._held, []
            self._write("".join([self._made(*each) for each in held]), len(held))

    def close(self) -> None:
        """Write what is held, and let go of the file."""
        self.flush()
        self._let_go()

    def _write(self, text: str, lines: int) -> None:
        if self._untold:
            stamp, _, _ = text.partition(" ")
            text = f"{stamp} {_event('log-lines-lost', lines=str(self._untold))}\n{text}"
        if self._torn:
            text = f"\n{text}"
        data = text.encode("utf-8", "replace")
        try:
            descriptor = self._descriptor
            if descriptor is None or self._size + len(data) > MAX_BYTES:
                descriptor = self._open()
            written = os.write(descriptor, data)
        except OSError:
            self._lose(lines)
            return
        self._size += written
        self._torn = written < len(data)
        if self._torn:
            self._lose(lines)
        else:
            self._untold = 0

    def _lose(self, lines: int) -> None:
        self.lost += lines
        self._untold += lines
        self._let_go()

    def _let_go(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)

    def _open(self) -> int:
        """Open the file; a new one in the place of one that is full."""
        if self._descriptor is not None:
            self._rotate()
        # Not to block: a pipe in the file's place would have the loop wait for a reader.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = self._descriptor = os.open(self._path, flags, 0o600)
        self._size = os.fstat(descriptor).st_size
        return descriptor

    def _follow(self) -> None:
        """Let go of a file that is not at its path any more: what is written there nobody would read."""
        if self._descriptor is None:
            return
        try:
            if not os.path.samestat(os.lstat(self._path), os.fstat(self._descriptor)):
                self._let_go()
        except OSError:
            self._let_go()

    def _rotate(self) -> None:
        try:
            for number in range(KEPT, 0, -1):
                older = self._path.with_name(f"{self._path.name}.{number}")
                newer = self._path if number == 1 else self._path.with_name(f"{self._path.name}.{number - 1}")
                if newer.exists():
                    newer.replace(older)
        except OSError:
            # A file that grows without an end would fill the disk; what it held is the price.
            if self._descriptor is not None:
                os.ftruncate(self._descriptor, 0)
        self._let_go()


def _event(name: str, **fields: str) -> str:
    return " ".join([f"event={name}", *(f"{key}={shown(value)}" for key, value in fields.items())])


def where(error: BaseException) -> str:
    """The innermost frame of an exception: a file of ours and a line, never its message, which may quote data."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    if frame is None:
        return "?"
    return f"{Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}"
