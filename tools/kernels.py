"""A page run in a new kernel, its outputs gathered; nothing of pages' meaning is known here."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import nbformat
from nbclient import NotebookClient

__all__ = ["run", "whole_streams"]


class Headless(NotebookClient):
    """Passes what cells write to stderr (bars, warnings) on to a stream, not into the page."""

    stream: TextIO = sys.stderr

    def process_message(self, message: Any, cell: Any, cell_index: int) -> Any:
        if message["msg_type"] == "stream" and message["content"]["name"] == "stderr":
            self.stream.write(message["content"]["text"])
            self.stream.flush()
            return None
        return super().process_message(message, cell, cell_index)


def run(
    notebook: nbformat.NotebookNode,
    folder: Path,
    settings: Mapping[str, str] | None = None,
    log: TextIO | None = None,
) -> float | None:
    """Runs all cells in a new kernel; returns the most memory that it held, in GB.

    Args:
        notebook: whose outputs are written into it.
        folder: that the kernel works in.
        settings: of the kernel's environment, beside those of this process.
        log: where bars and warnings go; the terminal by default.
    """
    peak = None

    def note_peak(**_: Any) -> None:
        nonlocal peak
        if client.km is not None:
            peak = peak_memory(getattr(client.km.provisioner, "pid", None))

    client = Headless(
        notebook,
        # kernels warn of unencrypted connections, here to the machine itself
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        timeout=None,
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        store_widget_state=False,
    )
    client.on_cell_executed = note_peak
    client.stream = log or sys.stderr
    client.execute(env={**os.environ, "PROBNN_HEADLESS": "1", **(settings or {})})
    return peak


def whole_streams(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """The outputs, with what was printed in several pieces as one: how many is a matter of luck."""
    whole: list[nbformat.NotebookNode] = []
    for output in outputs:
        before = whole[-1] if whole else {}
        if output.output_type == "stream" and output.name == before.get("name"):
            before["text"] += output.text
        else:
            whole.append(output)
    return whole


def peak_memory(pid: int | None) -> float | None:
    """The most memory that a process has held, in GB."""
    status = Path(f"/proc/{pid}/status")
    kilobytes = re.search(r"VmHWM:\s+(\d+)", status.read_text()) if status.exists() else None
    return int(kilobytes[1]) * 1024 / 1e9 if kilobytes else None
