"""The gateway's log: one line for each request and for each event of its life, in `key=value` form.

A line is built from typed fields; bodies and secrets have no field. Foreign text is escaped, so that a model name
cannot forge a line or drive a terminal. A full disk loses lines, counts them, and stops no request.
"""

import functools
import os
import re
import time
from collections.abc import Callable, Sequence
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
_TICK_NS: Final = int(TICK * 1e9)
BURST: Final = 16
"""Lines written one by one in a tick; the further ones of it are put together and written as one, which takes less of a busy
gateway. No session of a client has so many."""
MOST_HELD: Final = 256
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
def _repeated(values: tuple[str, str, str, str, int, str, str, str, str]) -> tuple[str, str]:
    """What stands in line after line, before and behind the numbers of each."""
    kind, slot, model, route, status, outcome, upstream_model, reason, credential = values
    front = (
        f"kind={shown(kind)} slot={shown(slot or '-')} model={shown(model or '-')} route={shown(route or '-')} "
        f"status={status or '-'} outcome={shown(outcome)}"
    )
    back = ""
    if upstream_model and upstream_model != model:
        back += f" upstream_model={shown(upstream_model)}"
    if reason and reason != MATCH:
        back += f" reason={shown(reason)}"
    if credential:
        back += f" credential={shown(credential)}"
    return front, back


def request_line(record: AccessRecord) -> str:
    """The line of one request; fields without a value are left out, but for the fixed ones at its start."""
    front, back = _repeated(
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
    total = f"{record.total:.3f}"
    begun = total if first == record.total else "-" if first is None else f"{first:.3f}"
    line = (
        f"request={shown(record.request_id)} {front} first={begun} total={total} "
        f"in={record.bytes_in} out={record.bytes_out} "
        f"tokens={'-' if asked is None else asked}/{'-' if said is None else said}{back}"
    )
    if record.upstream_request_id:
        line += f" upstream_request={shown(record.upstream_request_id)}"
    if record.attempts:
        line += f" attempts={shown(','.join(record.attempts))}"
    return line + _noted(record.notes) if record.notes else line


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
        self._held: list[tuple[int, AccessRecord | str]] = []
        self._descriptor: int | None = None
        self._size = 0
        self.lost = 0
        self._untold = 0
        self._torn = False
        self._second = 0
        self._stamp = ""

    def event(self, name: str, **fields: str) -> None:
        """Log an event of the gateway's own life, and whatever is held before it."""
        self.line(_event(name, **fields))
        self.flush()

    def line(self, text: str) -> None:
        self.write(text)

    def write(self, what: AccessRecord | str) -> None:
        """Log a request, which is over."""
        now, held = time.time_ns(), self._held
        if not held:
            tick, later = now // _TICK_NS, self._later
            if tick != self._tick:
                self._tick, self._burst = tick, 0
            self._burst += 1
            if later is None or self._burst <= BURST:
                self._write(self._stamped([(now, what)]), 1)
                return
            later(TICK, self.flush)
        held.append((now, what))
        if len(held) >= MOST_HELD:
            self.flush()

    def _stamped(self, entries: Sequence[tuple[int, AccessRecord | str]]) -> str:
        """Lines as they stand in the file."""
        lines = []
        for now, what in entries:
            second = now // 1_000_000_000
            if second != self._second:
                self._second = second
                self._stamp = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
                self._follow()
            text = what if isinstance(what, str) else request_line(what)
            lines.append(f"{self._stamp}.{now // 1_000_000 % 1000:03d}Z {text}\n")
        return "".join(lines)

    def flush(self) -> None:
        """Write what is held."""
        if self._held:
            held, self._held = self._held, []
            self._write(self._stamped(held), len(held))

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
