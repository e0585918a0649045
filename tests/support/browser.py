"""Headless Chromium without a network: what a page became after its scripts ran, and what it looks like."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from html.parser import HTMLParser
from pathlib import Path

import pytest

_QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
          "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
          "--disable-dev-shm-usage", "--disable-default-apps", "--disable-extensions")
_DEAD = ("--proxy-server=127.0.0.1:9", "--host-resolver-rules=MAP * ~NOTFOUND")
_MARKS = {"path", "rect", "line", "text"}


def chromium() -> str:
    """The browser's path; without it the test is skipped, except where CI=true: there it fails."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        reason = "Chromium is not installed (apt-get install chromium fonts-ipafont-gothic)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def _run(page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory(prefix="op25b-browser-") as profile:
        command = [chromium(), *_QUIET, *_DEAD, f"--user-data-dir={profile}", *options, page.resolve().as_uri()]
        return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120, check=True)


def dom(page: Path) -> str:
    """The document after its scripts ran."""
    return _run(page, "--virtual-time-budget=15000", "--dump-dom").stdout


def complaints(page: Path) -> list[str]:
    """What the browser's console says of the page: script errors, refused scripts, failed requests."""
    done = _run(page, "--virtual-time-budget=15000", "--enable-logging=stderr", "--dump-dom")
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def screenshot(page: Path, picture: Path, width: int = 1180, height: int = 1000) -> Path:
    """The page as a picture, from its top."""
    _run(page, "--virtual-time-budget=15000", f"--window-size={width},{height}", f"--screenshot={picture}")
    return picture


class _Charts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.marks: list[int] = []
        self.words: list[list[str]] = []
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "div":
            if self._depth:
                self._depth += 1
            elif "chart" in (dict(attrs).get("class") or "").split():
                self._depth = 1
                self.marks.append(0)
                self.words.append([])
        elif self._depth and tag in _MARKS and dict(attrs).get("aria-roledescription"):
            self.marks[-1] += 1

    def handle_endtag(self, tag: str) -> None:
        if tag == "div" and self._depth:
            self._depth -= 1

    def handle_data(self, data: str) -> None:
        if self._depth and data.strip():
            self.words[-1].append(data.strip())


def charts(document: str) -> list[tuple[int, list[str]]]:
    """For each chart of a rendered document: how many marks were drawn, and the words in it."""
    parser = _Charts()
    parser.feed(document)
    return list(zip(parser.marks, parser.words, strict=True))


def widths(document: str) -> list[float]:
    """For each drawn chart of a rendered document: the width of its picture in CSS pixels."""
    return [float(width) for width in re.findall(r'<svg[^>]*class="marks"[^>]*\bwidth="([\d.]+)"', document)]
