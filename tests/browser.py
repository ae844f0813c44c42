"""A real browser for pages: Chromium without a window, spoken to over a pair of pipes."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

PHONE, DESK = 390, 1200
"""Pixels of width."""
_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe")
_BEYOND = """
document.documentElement.scrollWidth <= document.documentElement.clientWidth ? [] :
[...document.querySelectorAll("body *")]
  .filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map((e) => e.tagName + " " + e.textContent.trim().slice(0, 40))
"""
"""What a page is too wide for, where it can be moved sideways as a whole."""


class Browser:
    """One tab; methods are those of the Chrome DevTools Protocol.

    Attributes
    ----------
    said
        What pages wrote to the console, and errors: of scripts, and of what was not found.
    """

    def __init__(self, sending: IO[bytes], reading: IO[bytes]) -> None:
        self._sending, self._reading = sending, reading
        self._asked, self._buffer, self._session = 0, b"", {}
        self.said: list[str] = []
        self._loaded = False
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a method."""
        self._asked += 1
        message = {"id": self._asked, "method": method, "params": parameters, **self._session}
        self._sending.write(json.dumps(message).encode() + b"\0")
        self._sending.flush()
        while (answer := self._next()).get("id") != self._asked:
            pass
        assert "error" not in answer, (method, answer)
        result: dict[str, Any] = answer["result"]
        return result

    def _next(self) -> dict[str, Any]:
        """The next message; what the page says is kept."""
        while b"\0" not in self._buffer:
            read = os.read(self._reading.fileno(), 1 << 20)
            assert read, "the browser has ended"
            self._buffer += read
        first, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(first)
        told = message.get("params", {})
        match message.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case "Runtime.consoleAPICalled":
                self.said.append(f"{told['type']}: {told['args']}")
            case "Runtime.exceptionThrown":
                self.said.append(str(told["exceptionDetails"]))
            case "Log.entryAdded":
                self.said.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
        return message

    def open(self, address: str | Path, width: int, *, dark: bool = False) -> None:
        """Show a page on a screen of a width, and wait until all of it is there."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=844,
            deviceScaleFactor=1,
            mobile=width < DESK,
        )
        self._loaded = False
        where = address.resolve().as_uri() if isinstance(address, Path) else address
        failed = self.call("Page.navigate", url=where).get("errorText")
        assert not failed, f"{where}: {failed}"
        while not self._loaded:
            self._next()

    def value(self, expression: str) -> Any:
        """What an expression of JavaScript is on the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def beyond(self) -> list[str]:
        """What makes the page wider than the screen; boxes with a bar of their own do not."""
        beyond: list[str] = self.value(_BEYOND)
        return beyond

    def save_image(self, path: Path) -> None:
        """The whole page as PNG."""
        image = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(image["data"]))

    def save_print(self, path: Path) -> None:
        """The page on paper, as PDF."""
        printed = self.call("Page.printToPDF", preferCSSPageSize=True)
        path.write_bytes(base64.b64decode(printed["data"]))


@contextmanager
def browser() -> Iterator[Browser]:
    """Chromium; a test that needs it is skipped where there is none."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(_NAMES)} is installed")
    (there, sending), (reading, here) = os.pipe(), os.pipe()
    # The browser reads from descriptor 3 and writes to 4; not every sh knows numbers above 9.
    redirected = f'exec "$@" 3<&{there} 4>&{here}'
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        subprocess.Popen(
            ["bash", "-c", redirected, "bash", program, *_OPTIONS, f"--user-data-dir={profile}"],
            pass_fds=(there, here),
            stderr=subprocess.DEVNULL,
        ) as process,
        os.fdopen(sending, "wb") as output,
        os.fdopen(reading, "rb") as answers,
    ):
        os.close(there)
        os.close(here)
        try:
            yield Browser(output, answers)
        finally:
            process.terminate()
