"""A program at a terminal of its own: what is on its screen, and keys for it."""

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from support.patience import DEADLINE

ROWS, COLUMNS = 40, 120
CTRL_C, ENTER = "\x03", "\r"

# The child makes the terminal its controlling one and becomes the program. A fork with work of ours in between would
# not be safe beside the simulators' threads.
_BECOME = (
    "import fcntl,os,sys,termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
_TOKEN = re.compile(
    r"\x1b\[(?P<arguments>[0-9;?<>=]*)[ -/]*(?P<command>[@-~])"
    r"|\x1b\](?:[012];(?P<title>[^\x07\x1b]*)|[^\x07\x1b]*)(?:\x07|\x1b\\)"
    r"|\x1bP[^\x1b]*\x1b\\"
    r"|\x1b[ -/]*[0-Z\\^-~]"
    r"|(?P<control>[\x00-\x1a\x1c-\x1f\x7f])"
    r"|(?P<text>[^\x00-\x1f\x7f]+)",
)


class Screen:
    """As much of a terminal as it takes to read what a person would see: text, cursor moves, erasing.

    `title` is what the window is called.
    """

    def __init__(self) -> None:
        self.title = ""
        self._cells = [[" "] * COLUMNS for _ in range(ROWS)]
        self._row = self._column = 0
        self._pending = ""
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    @property
    def text(self) -> str:
        """The lines, without the blanks at their ends."""
        return "\n".join("".join(line).rstrip() for line in self._cells)

    def feed(self, data: bytes) -> None:
        text = self._pending + self._decode(data)
        place = 0
        while (found := _TOKEN.match(text, place)) is not None:
            place = found.end()
            if found["text"]:
                self._write(found["text"])
            elif found["command"]:
                self._command(found["command"], found["arguments"])
            elif found["title"]:
                self.title = found["title"]
            elif found["control"]:
                self._control(found["control"])
        self._pending = text[place:]  # a sequence whose end has not arrived

    def _write(self, text: str) -> None:
        for character in text:
            if self._column >= COLUMNS:
                self._column = 0
                self._down()
            self._cells[self._row][self._column] = character
            self._column += 1

    def _down(self) -> None:
        if self._row == ROWS - 1:
            self._cells = [*self._cells[1:], [" "] * COLUMNS]
        else:
            self._row += 1

    def _control(self, control: str) -> None:
        if control == "\r":
            self._column = 0
        elif control == "\n":
            self._down()
        elif control == "\b":
            self._column = max(self._column - 1, 0)

    def _command(self, command: str, arguments: str) -> None:
        if arguments[:1] in {"?", "<", ">", "="}:
            return
        numbers = [int(number) if number else 0 for number in arguments.split(";")]
        count = max(numbers[0], 1)
        match command:
            case "A":
                self._row -= count
            case "B":
                self._row += count
            case "C":
                self._column += count
            case "D":
                self._column -= count
            case "G":
                self._column = count - 1
            case "H" | "f":
                self._row, self._column = count - 1, max(numbers[1] if len(numbers) > 1 else 1, 1) - 1
            case "J":
                self._erase(numbers[0], whole_screen=True)
            case "K":
                self._erase(numbers[0], whole_screen=False)
        self._row = min(max(self._row, 0), ROWS - 1)
        self._column = min(max(self._column, 0), COLUMNS - 1)

    def _erase(self, mode: int, *, whole_screen: bool) -> None:
        """Mode 0: to the end, 1: from the beginning, 2: all."""
        here = self._row * COLUMNS + self._column
        line = self._row * COLUMNS
        start, end = (0, ROWS * COLUMNS) if whole_screen else (line, line + COLUMNS)
        for cell in range(here if mode == 0 else start, here + 1 if mode == 1 else end):
            self._cells[cell // COLUMNS][cell % COLUMNS] = " "


class Terminal:
    """A program with a terminal: `with Terminal(command, env=…, cwd=…) as terminal: …`."""

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> None:
        self.screen = Screen()
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _BECOME, *command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        os.close(self._master)

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def wait_for(self, condition: Callable[[str], object], seconds: float = DEADLINE) -> str:
        """Read until `condition` holds for the screen's text; the result is that text.

        Raises:
            AssertionError: it did not hold in time; the message shows the screen.
        """
        deadline = time.monotonic() + seconds
        while not condition(self.screen.text):
            assert time.monotonic() < deadline, f"not seen within {seconds} s on:\n{self.screen.text}"
            self._pump()
        return self.screen.text

    def press_until_end(self, keys: str, seconds: float = DEADLINE) -> int:
        """Press the keys twice a second until the program ends; the result is its exit code."""
        deadline = time.monotonic() + seconds
        pressed = 0.0
        while self._process.poll() is None:
            now = time.monotonic()
            assert now < deadline, f"still running after {seconds} s:\n{self.screen.text}"
            if now - pressed > 0.5:
                pressed = now
                self.type(keys)
            self._pump()
        return self._process.returncode

    def _pump(self) -> None:
        readable, _, _ = select.select([self._master], [], [], 0.05)
        if not readable:
            return
        try:
            self.screen.feed(os.read(self._master, 65536))
        except OSError:  # Linux says EIO when the program's end is closed
            time.sleep(0.05)
