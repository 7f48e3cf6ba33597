"""The process that outlives the gateway's worker: it keeps the ports, the control socket and the sessions.

A worker that crashes is replaced on the same sockets, so a client's connection attempt waits and is not refused. A restart
puts a new worker beside the old one. Once both serve, the old one is told to let nobody in any more, and what callers ask
waits for its word: then it has answered what it was asked before, and the new one learns what has changed since its start.
What the old one had accepted it serves to the end. Nothing of a request is ever seen here.

It is one loop over a selector, and it imports as little as it can. What only the worker can answer is passed on to it.
"""

import json
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from openclaude.launcher.callers import Callers, Facts
from openclaude.launcher.control import HANDOVER_SECONDS
from openclaude.launcher.workers import ConfigurationError, Held, Reply, Settings, Start, Worker, nothing

STOP_GRACE: Final = 10.0
"""Seconds that answers under way get when the gateway stops."""
DRAIN_GRACE: Final = 900.0
"""Seconds that answers under way get when another worker has taken over."""
AWAITED: Final = 10.0
"""Seconds in which a connection that such a worker has accepted may still bring its first request."""
FIRST_SECONDS: Final = 30.0
"""A gateway waits this long at least for its first session: the launch that started it is still on its way."""
YOUNG_SECONDS: Final = 10.0
"""A worker that ends sooner has crashed at its start: the next one waits longer and longer."""
MOST_CRASHES: Final = 8


class Supervisor:
    """One gateway's supervisor.

    Args:
        control: the listening control socket.
        spawn: starts a worker. In the worker's own process it does not return.
        load: reads and checks the configuration. Raises `ConfigurationError`.
        lingers: whether the gateway ends by itself once nobody uses it.
        announce: called when the first worker serves.
        complain: told of what the user should find in the log.
        flags: what a gateway in the place of this one has to be started with.
    """

    def __init__(
        self,
        control: socket.socket,
        *,
        spawn: Callable[[Start], Worker],
        load: Callable[[], Settings],
        lingers: bool,
        announce: Callable[[], None],
        complain: Callable[[str], None],
        flags: Sequence[str] = (),
    ) -> None:
        self._spawn = spawn
        self._flags = list(flags)
        self._load = load
        self._settings = load()
        self._lingers = lingers
        self._announce = announce
        self._complain = complain
        self._selector = selectors.DefaultSelector()
        self._workers: list[Worker] = []
        self._current: Worker | None = None
        self._next: Worker | None = None
        self._restarting: list[Reply] = []
        self._waiting: list[tuple[Facts, Reply]] = []
        self._callers = Callers(control, self._selector, self._serve)
        self._held: list[Held] = []
        self._staying: list[Held] = []
        self._opened: tuple[str, ...] = ()
        self._crashes = 0
        self._respawn_at: float | None = None
        self._handover_until: float | None = None
        self._reason = ""
        self._wanted = False
        self._used = time.monotonic()
        self._asked_at = self._used
        self._stopping = False
        self._code = 0

    # life

    def run(self) -> int:
        """Supervise until the gateway is told to stop; the result is the exit code."""
        wake, woken = socket.socketpair()
        for end in (wake, woken):
            end.setblocking(False)
        signal.set_wakeup_fd(woken.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        self._selector.register(wake, selectors.EVENT_READ, lambda: self._signalled(wake))
        self._start_worker("", "")
        while self._workers or not self._stopping:
            for key, _ in self._selector.select(self._patience()):
                key.data()
            self._tick()
        signal.set_wakeup_fd(-1)
        wake.close()
        woken.close()
        return self._code

    def _start_worker(self, reason: str, python: str) -> Worker:
        known = self._sessions
        requests = tuple(held.request for held in known)
        worker = self._spawn(Start(self._settings, self._opened, requests, reason, python))
        worker.knows, worker.opened = known, self._opened
        self._workers.append(worker)
        self._selector.register(worker.channel, selectors.EVENT_READ, lambda: self._from_worker(worker))
        return worker

    @property
    def _sessions(self) -> tuple[Held, ...]:
        return (*self._held, *self._staying)

    def _signalled(self, wake: socket.socket) -> None:
        wake.recv(64)
        self._stop()

    def _stop(self) -> None:
        """Let nobody in any more: a launcher that comes now waits for the end and starts the next gateway."""
        if not self._stopping:
            self._stopping = True
            self._callers.close()
        for worker in self._workers:
            self._drain(worker, STOP_GRACE)

    def _drain(self, worker: Worker, grace: float, awaited: float = 0.0, reply: Reply = nothing) -> None:
        worker.retired = True
        worker.send({"op": "drain", "grace": grace, "awaited": awaited}, reply)

    def _patience(self) -> float:
        due = [at for at in (self._respawn_at, self._handover_until) if at is not None]
        if due:
            return max(0.0, min(due) - time.monotonic())
        return 0.5 if self._callers.asking or self._lingers else 60.0

    def _tick(self) -> None:
        now = time.monotonic()
        if self._respawn_at is not None and now >= self._respawn_at and not self._stopping:
            self._respawn_at = None
            self._current = self._start_worker(self._reason, "")
        if self._handover_until is not None and now >= self._handover_until:
            self._hand_over(confirmed=False)
        self._callers.sweep()
        self._linger(now)

    def _linger(self, now: float) -> None:
        """Ask from time to time whether the gateway is used, if it ends by itself when nobody has used it for a while."""
        limit = self._settings.linger
        if not self._lingers or not limit or self._stopping:
            return
        if self._sessions or self._restarting:
            self._used = now
        elif now - self._asked_at >= min(5.0, limit / 4):
            self._asked_at = now
            self._ask({"op": "status"}, self._note_use)

    def _note_use(self, answer: Facts) -> None:
        """Only a worker's word ends the gateway: one that is late with it on a busy machine may have connections."""
        now, limit = time.monotonic(), self._settings.linger
        if not self._wanted:
            limit = max(limit, FIRST_SECONDS)
        if answer.get("in_flight") or answer.get("connections") or self._sessions or self._restarting:
            self._used = now
        elif self._lingers and self._settings.linger and now - self._used >= limit:
            self._stop()

    # workers

    def _from_worker(self, worker: Worker) -> None:
        try:
            data = worker.channel.recv(256 * 1024)
        except OSError:
            data = b""
        if not data:
            self._worker_ended(worker)
            return
        *lines, worker.buffer = (worker.buffer + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "event" not in message:
                worker.answered(message.pop("id"), message)
            elif message["event"] == "ready":
                self._worker_ready(worker)
            else:
                worker.failure = str(message.get("text", ""))

    def _worker_ready(self, worker: Worker) -> None:
        worker.ready = True
        if worker is self._next and self._current is not None and not self._stopping:
            self._handover_until = time.monotonic() + HANDOVER_SECONDS

            def shut(answer: Facts) -> None:
                if worker is self._next:
                    self._hand_over(confirmed="error" not in answer)

            self._drain(self._current, DRAIN_GRACE, AWAITED, shut)
        elif self._stopping or not worker.retired:
            self._take_over(worker)

    def _hand_over(self, *, confirmed: bool) -> None:
        """The worker that is replaced lets nobody in any more, has ended, or (not `confirmed`) is not waited for any longer."""
        self._handover_until = None
        if self._current is not None and self._next is not None:
            self._waiting += self._current.unanswered()
            self._take_over(self._next, silent=0 if confirmed else self._current.pid)

    def _take_over(self, worker: Worker, *, silent: int = 0) -> None:
        """From here on this is the worker that is asked. `silent` is the pid of the one before, if it has not confirmed."""
        first = self._current is None and not self._reason
        self._current = worker
        worker.learn(self._sessions, self._opened)
        waiting, self._waiting = self._waiting, []
        for request, reply in waiting:
            worker.send(request, reply)
        if worker is self._next:
            self._next = self._respawn_at = None
            self._restarted({"restarted": True, "pid": os.getpid(), "worker": worker.pid, "silent": silent})
        elif first:
            self._announce()
        if self._stopping:
            self._drain(worker, STOP_GRACE)

    def _worker_ended(self, worker: Worker) -> None:
        self._selector.unregister(worker.channel)
        worker.channel.close()
        self._workers.remove(worker)
        _, status = os.waitpid(worker.pid, 0)
        self._waiting += worker.unanswered()
        lost = not worker.retired
        if worker is self._next:
            lost = self._handover_until is not None  # the one before has been told to go
            self._next = self._handover_until = None
            self._restarted({"error": worker.failure or f"the new worker ended at once ({_how(status)})"})
        elif worker is self._current and self._handover_until is not None:
            self._hand_over(confirmed=True)
        if lost:
            self._current = None
            if not self._stopping:
                self._crashed(worker, status)

    def _crashed(self, worker: Worker, status: int) -> None:
        first = not worker.ready and not self._reason
        now = time.monotonic()
        self._crashes = self._crashes + 1 if now - worker.started < YOUNG_SECONDS else 1
        self._reason = _how(status)
        if first or self._crashes > MOST_CRASHES:
            if not first:
                self._complain(
                    f"the gateway's worker has ended {self._crashes} times in a row ({self._reason}); giving up"
                )
            self._code = 1
            self._stop()
            return
        self._complain(f"the gateway's worker has ended ({self._reason}); another one takes its place")
        self._respawn_at = now + (0.0 if self._crashes == 1 else min(0.1 * 2**self._crashes, 5.0))

    def _restarted(self, answer: Facts) -> None:
        replies, self._restarting = self._restarting, []
        for reply in replies:
            reply(answer)

    # callers

    def _serve(self, caller: socket.socket, request: Facts) -> None:
        def reply(answer: Facts) -> None:
            self._callers.answer(caller, answer)

        operation = request["op"]
        match operation:
            case "session":
                self._open_session(caller, request)
            case "stop":
                reply({"stopping": True})
                self._stop()
            case "stay":
                self._lingers = False
                reply({"stays": True})
            case "flags":
                reply({"flags": self._flags})
            case "restart":
                self._restart(str(request.get("python", "")), reply)
            case "reload":
                self._reload(reply)
            case "open":
                door = str(request.get("door"))
                self._ask({"op": "open", "door": door}, lambda answer: self._opening(door, answer, reply))
            case "status":
                self._ask({"op": "status"}, lambda answer: reply({**answer, **self._facts()}))
            case "certificates" | "credentials" | "health" | "plan":
                self._ask({"op": operation}, reply)
            case _:
                reply({"error": "unknown operation"})

    def _ask(self, request: Facts, reply: Reply) -> None:
        """Ask the worker, or the next one if there is none at the moment."""
        if (worker := self._asked) is None:
            self._waiting.append((request, reply))
        else:
            worker.send(request, reply)

    @property
    def _asked(self) -> Worker | None:
        """The worker that is asked at the moment."""
        free = self._current is not None and self._current.ready and self._handover_until is None
        return self._current if free else None

    def _facts(self) -> Facts:
        worker = self._current.pid if self._current is not None else 0
        return {
            "pid": os.getpid(),
            "worker": worker,
            "sessions": len(self._sessions),
            "lingers": self._lingers,
        }

    def _open_session(self, caller: socket.socket, request: Mapping[str, Any]) -> None:
        token = os.urandom(20).hex() if request.get("token") else ""
        passed = {"op": "session", "aws": request.get("aws"), "token": token}
        stays = bool(request.get("keep"))

        def opened(answer: Facts) -> None:
            if "error" in answer:
                self._callers.answer(caller, answer)
                return
            held = Held(str(answer.get("session", "")), passed)
            self._wanted = True
            answer = {"session": held.name, "token": token}
            if not stays:
                self._held.append(held)
            elif all(other.name != held.name for other in self._staying):
                self._staying.append(held)
            self._tell_next()
            if stays:
                self._callers.answer(caller, answer)
            else:
                self._callers.hold(caller, answer, lambda: self._session_over(held))

        self._ask(passed, opened)

    def _tell_next(self) -> None:
        """It may be about to let in the very client that this is for."""
        if self._next is not None:
            self._next.learn(self._sessions, self._opened)

    def _session_over(self, held: Held) -> None:
        self._held.remove(held)
        if (worker := self._asked) is not None:
            worker.send(held.ended, nothing)  # otherwise the next one is told when it takes over

    def _opening(self, door: str, answer: Facts, reply: Reply) -> None:
        if answer.get("port") is not None and door not in self._opened:
            self._opened = (*self._opened, door)
            self._tell_next()
        reply(answer)

    def _restart(self, python: str, reply: Reply) -> None:
        self._restarting.append(reply)
        if self._next is not None:
            return
        try:
            self._settings = self._load()
        except ConfigurationError as error:
            self._restarted({"error": str(error)})
            return
        self._next = self._start_worker("restart", python)

    def _reload(self, reply: Reply) -> None:
        try:
            settings = self._load()
        except ConfigurationError as error:
            reply({"error": str(error)})
            return

        def taken(answer: Facts) -> None:
            if "error" not in answer:
                self._settings = settings
            reply(answer)

        self._ask({"op": "reload", "texts": settings.texts}, taken)


def _how(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"signal {-code}" if code < 0 else f"exit code {code}"
