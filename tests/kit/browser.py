"""A real browser, driven by the DevTools protocol over a pipe: no driver and no library needed."""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from fcntl import F_DUPFD, fcntl
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)
_PATIENCE = 60.0
#: A frame that waits for its page is an empty, complete "about:blank".
_LOADED = "document.readyState === 'complete' && location.protocol.startsWith('http')"
#: The browser reads commands from 3 and answers on 4.
_EXEC = "import os,sys;os.dup2({0},3);os.dup2({1},4);os.execv(sys.argv[1],sys.argv[1:])"


def find_browser() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """One tab. Every wait has a limit; `close` ends the process."""

    def __init__(self, program: str, profile: Path, *, scripts: bool = True) -> None:
        heard, self._out = _pipe()
        self._in, spoken = _pipe()
        self._process = subprocess.Popen(  # noqa: S603
            [
                *(sys.executable, "-c", _EXEC.format(heard, spoken)),
                *(program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"),
            ],
            pass_fds=(heard, spoken),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(heard)
        os.close(spoken)
        self._rest = b""
        self._last = 0
        self.complaints: list[str] = []
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        self.call("Page.enable")
        self.call("Runtime.enable")
        self.call("Log.enable")
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._out)
        os.close(self._in)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._last:
                if "error" in answer:
                    raise BrowserError(answer["error"]["message"])
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def _note(self, event: dict[str, Any]) -> None:
        """What the browser would print in red: a refused style, a script that fails."""
        if event.get("method") == "Log.entryAdded":
            entry = event["params"]["entry"]
            if entry["level"] == "error":
                self.complaints.append(f"{entry['text']} {entry.get('url', '')}")
        elif event.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(event["params"]["exceptionDetails"]))

    def _read(self) -> dict[str, Any]:
        until = time.monotonic() + _PATIENCE
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], max(0, until - time.monotonic()))
            read = os.read(self._in, 1 << 16) if ready else b""
            if not read:
                raise BrowserError("The browser does not answer.")
            self._rest += read
        message, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def value(self, script: str) -> Any:
        """What the expression is worth on the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in answer:
            raise BrowserError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def wait(self, script: str) -> None:
        """Until the expression is true; a page that is just leaving does not count."""
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            try:
                if self.value(f"{_LOADED} && !!({script})"):
                    return
            except BrowserError:
                pass
            time.sleep(0.05)
        raise BrowserError(f"Never became true: {script}, at {self.value('location.href')}")

    def open(self, url: str) -> None:
        self.value("window.leaving = true")
        self.call("Page.navigate", url=url)
        self.wait("!window.leaving")

    def click(self, selector: str) -> None:
        """Press the mouse where the element is."""
        spot = self.value(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const r = e.getBoundingClientRect();"
            "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=spot[0],
                y=spot[1],
                button="left",
                clickCount=1,
            )

    def follow(self, selector: str) -> None:
        """Click, and wait for the page that comes."""
        self.value("window.leaving = true")
        self.click(selector)
        self.wait("!window.leaving")

    def write(self, selector: str, text: str) -> None:
        """Type into a field that is empty."""
        self.value(f"document.querySelector({json.dumps(selector)}).focus()")
        self.call("Input.insertText", text=text)

    def choose(self, selector: str, value: str) -> None:
        """Pick an option of a select."""
        self.value(f"document.querySelector({json.dumps(selector)}).value = {json.dumps(value)}")

    def text(self, selector: str = "body") -> str:
        found: str = self.value(f"document.querySelector({json.dumps(selector)}).innerText")
        return found

    def size(self, width: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=False,
        )

    def picture(self, file: Path) -> None:
        """The whole page as PNG."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))


class BrowserError(Exception):
    """The browser cannot do what was asked, or not in time."""


def _pipe() -> tuple[int, int]:
    """Both ends far from the numbers that the browser wants."""
    ends = []
    for end in os.pipe():
        ends.append(fcntl(end, F_DUPFD, 10))
        os.close(end)
    return ends[0], ends[1]
