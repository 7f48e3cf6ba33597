"""A web page that tries everything a page can try against servers on loopback, in a real browser."""

import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
MISSING = "no Chromium on the PATH: run `make system` (Debian, as root) or install it, then the tests again"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-dev-shm-usage", "--disable-default-apps", "--no-default-browser-check",
)  # fmt: skip
SECONDS = 120
HOSTS = ("127.0.0.1", "localhost", "0.0.0.0", "[::1]")
VECTORS = (
    "fetch-get", "fetch-post", "fetch-json", "no-cors-get", "no-cors-post", "no-cors-blob", "credentials", "beacon", "xhr", "form-post", "form-get", "img", "iframe",
    "script", "style", "object", "audio", "websocket", "eventsource", "worker", "preload", "prefetch", "manifest", "popup",
)  # fmt: skip
_PAGE = """<!doctype html><meta charset=utf-8><title>page</title><body><script>
const plan = PLAN;
const body = JSON.stringify({model: "claude-opus-5-5", max_tokens: 1, messages: [{role: "user", content: "from a page"}]});
const add = (name, attributes) => { const it = document.createElement(name); Object.assign(it, attributes); document.body.append(it); return it; };
const form = (method, url) => {
  add("iframe", {name: "f" + Math.random(), hidden: true});
  const it = add("form", {method, action: url, enctype: "text/plain", target: document.querySelector("iframe:last-of-type").name});
  const field = document.createElement("input"); field.name = body.slice(0, -1) + ',"x":"'; field.value = '"}'; it.append(field); it.submit();
};
const later = promise => Promise.race([Promise.resolve(promise).catch(() => 0), new Promise(done => setTimeout(done, 4000))]);
const tries = {
  "fetch-get": (get, post) => fetch(get),
  "fetch-post": (get, post) => fetch(post, {method: "POST", body, headers: {"content-type": "text/plain"}}),
  "fetch-json": (get, post) => fetch(post, {method: "POST", body, headers: {"content-type": "application/json"}}),
  "no-cors-get": (get, post) => fetch(get, {mode: "no-cors"}),
  "no-cors-post": (get, post) => fetch(post, {mode: "no-cors", method: "POST", body}),
  "no-cors-blob": (get, post) => fetch(post, {mode: "no-cors", method: "POST", body: new Blob([body])}),
  "credentials": (get, post) => fetch(get, {mode: "no-cors", credentials: "include"}),
  "beacon": (get, post) => navigator.sendBeacon(post, new Blob([body], {type: "text/plain"})),
  "xhr": (get, post) => { const it = new XMLHttpRequest(); it.open("POST", post); it.send(body); },
  "form-post": (get, post) => form("POST", post),
  "form-get": (get, post) => form("GET", get),
  "img": (get, post) => { new Image().src = get; },
  "iframe": (get, post) => add("iframe", {src: get}),
  "script": (get, post) => add("script", {src: get}),
  "style": (get, post) => add("link", {rel: "stylesheet", href: get}),
  "object": (get, post) => add("object", {data: get}),
  "audio": (get, post) => { new Audio(get).load(); },
  "websocket": (get, post) => new WebSocket(get.replace(/^http/, "ws")),
  "eventsource": (get, post) => new EventSource(get),
  "worker": (get, post) => new Worker(URL.createObjectURL(new Blob([`importScripts(${JSON.stringify(get)})`]))),
  "preload": (get, post) => add("link", {rel: "preload", as: "fetch", href: get}),
  "prefetch": (get, post) => add("link", {rel: "prefetch", href: get}),
  "manifest": (get, post) => add("link", {rel: "manifest", href: get}),
  "popup": (get, post) => window.open(get),
};
(async () => {
  for (const {origin, get, post, named} of plan) {
    const all = [];
    for (const [name, attempt] of Object.entries(tries)) {
      const end = named ? "/" + name : "";
      try { all.push(later(attempt(origin + get + end, origin + post + end))); } catch (error) { /* refused by the browser itself */ }
    }
    await Promise.all(all);
  }
  await new Promise(done => setTimeout(done, 1500));
  await fetch("/done?" + Object.keys(tries).length);
})();
</script>"""


class _Handler(http.server.BaseHTTPRequestHandler):
    """Serves the page, and hears when it is done."""

    server: "_PageServer"

    def do_GET(self) -> None:
        if self.path.startswith("/done"):
            self.server.done.set()
        page = self.server.page if self.path == "/" else b""
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: Any) -> None:
        """Nothing is said."""


class _PageServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    page = b""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.done = threading.Event()


@contextmanager
def _served(plan: Sequence[dict[str, Any]]) -> Iterator[_PageServer]:
    with _PageServer() as server:
        server.page = _PAGE.replace("PLAN", json.dumps(list(plan))).encode()
        thread = threading.Thread(target=server.serve_forever, name="page", daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def browser() -> str:
    """The installed Chromium. Raises LookupError."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        raise LookupError(MISSING)
    return found


def attack(folder: Path, host: str, plan: Sequence[dict[str, Any]]) -> None:
    """Open a page at `host` that goes through the plan, and wait until it is through.

    Args:
        folder: where the browser keeps its things.
        host: the name the page's own server is called by; it decides what the browser takes it for.
        plan: for each target `origin`, the paths `get` and `post`, and whether each try names itself in the path.
    """
    with _served(plan) as server:
        command = [browser(), *FLAGS, f"--user-data-dir={folder}", f"http://{host}:{server.server_port}/"]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"HOME": str(folder), "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"},
            start_new_session=True,
        )
        try:
            through = server.done.wait(SECONDS)
            assert process.poll() is None, "the browser ended by itself"
            assert through, "the page did not get through its plan"
        finally:
            process.terminate()
            process.wait(SECONDS)
