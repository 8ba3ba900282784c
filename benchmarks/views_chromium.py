"""One page in a headless Chromium of its own, driven by a few commands of its DevTools protocol.

Playwright is not used here: it listens to the network, so that the browser would hand it a copy of
each message that the kernel sends. With bertviz's 100 MB this costs seconds that are not bertviz's,
and with 400 MB it ends Playwright.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import websocket

# No name but this machine's is found, and Chromium itself asks for nothing.
OPTIONS = (
    "--headless=new --no-sandbox --no-first-run --disable-background-networking --disable-sync "
    "--disable-component-update --disable-extensions --remote-debugging-port=0 "
    "--window-size=1200,900"
)
CLOSED = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


class Crashed(Exception):
    """The page's process has ended."""


class Chromium:
    """A browser with one page; ``libraries`` are the answers to some addresses elsewhere."""

    def __init__(self, libraries: dict[str, bytes]) -> None:
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        if program is None:
            raise RuntimeError("no chromium on this machine")
        self.libraries, self.last, self.errors = libraries, 0, list[str]()
        self.profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        self.process = subprocess.Popen(
            [program, *OPTIONS.split(), CLOSED, f"--user-data-dir={self.profile.name}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # its many processes are a group, and end together
        )
        try:
            self.socket = websocket.create_connection(self._address(), suppress_origin=True)
            for domain in ("Page", "Runtime", "Inspector"):
                self.send(f"{domain}.enable")
            # JupyterLab has no current notebook in a window without focus.
            self.send("Emulation.setFocusEmulationEnabled", enabled=True)
            if libraries:
                patterns = [{"urlPattern": url} for url in libraries]
                self.send("Fetch.enable", patterns=patterns)
        except BaseException:
            self.close()
            raise

    def _address(self, seconds: float = 60.0) -> str:
        """The address of the page's protocol, which the browser tells in a file of its profile."""
        port, end = Path(self.profile.name) / "DevToolsActivePort", time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                url = f"http://127.0.0.1:{port.read_text().split()[0]}/json/list"
                with urllib.request.urlopen(url) as answer:
                    pages = [page for page in json.load(answer) if page["type"] == "page"]
                return str(pages[0]["webSocketDebuggerUrl"])
            except (OSError, IndexError):
                time.sleep(0.05)
        raise RuntimeError("Chromium did not start")

    def _receive(self, seconds: float) -> dict[str, Any]:
        """The next message; raises TimeoutError when there is none for so long, and Crashed."""
        self.socket.settimeout(max(seconds, 0.001))
        try:
            message: dict[str, Any] = json.loads(self.socket.recv())
        except websocket.WebSocketTimeoutException:
            raise TimeoutError from None
        except (OSError, websocket.WebSocketException) as error:
            raise Crashed from error
        if message.get("method") == "Inspector.targetCrashed":
            raise Crashed
        if message.get("method") == "Fetch.requestPaused":
            self._answer(message["params"])
        if message.get("method") == "Runtime.exceptionThrown":
            thrown = message["params"]["exceptionDetails"]
            text = thrown.get("exception", {}).get("description", thrown["text"])
            self.errors.append(text.splitlines()[0])
        return message

    def _post(self, method: str, **parameters: Any) -> int:
        self.last += 1
        self.socket.send(json.dumps({"id": self.last, "method": method, "params": parameters}))
        return self.last

    def _answer(self, asked: dict[str, Any]) -> None:
        self._post(
            "Fetch.fulfillRequest",
            requestId=asked["requestId"],
            responseCode=200,
            responseHeaders=[{"name": "Content-Type", "value": "text/javascript"}],
            body=base64.b64encode(self.libraries[asked["request"]["url"]]).decode(),
        )

    def send(self, method: str, seconds: float = 60.0, **parameters: Any) -> dict[str, Any]:
        """A command's result; raises TimeoutError, Crashed, or RuntimeError with its error."""
        number, end = self._post(method, **parameters), time.monotonic() + seconds
        while True:
            message = self._receive(end - time.monotonic())
            if message.get("id") == number:
                break
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']['message']}")
        return dict(message["result"])

    def evaluate(self, expression: str, seconds: float = 60.0) -> Any:
        """The value of a JavaScript expression, as JSON can hold it."""
        options = {"expression": expression, "returnByValue": True}
        done = self.send("Runtime.evaluate", seconds, **options)
        if "exceptionDetails" in done:
            raise RuntimeError(f"{expression}: {done['result'].get('description')}")
        return done["result"].get("value")

    def wait(self, expression: str, seconds: float) -> Any:
        """The value of an expression as soon as it is true; asked ten times a second."""
        end = time.monotonic() + seconds
        while not (value := self.evaluate(expression, end - time.monotonic())):
            if time.monotonic() > end:
                raise TimeoutError
            self.rest(0.1)
        return value

    def rest(self, seconds: float) -> None:
        """Wait, and answer what the page asks for meanwhile."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                self._receive(left)
            except TimeoutError:
                return

    def first(self, script: str) -> None:
        """Run ``script`` in each page before the page's own."""
        self.send("Page.addScriptToEvaluateOnNewDocument", source=script)

    def open(self, url: str, seconds: float = 60.0) -> None:
        """Open an address; returns when it answers."""
        self.send("Page.navigate", seconds, url=url)

    def version(self) -> str:
        """The browser's name and version."""
        return str(self.send("Browser.getVersion")["product"])

    def close(self) -> None:
        """End the browser, also one that no longer answers."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.profile.cleanup()
