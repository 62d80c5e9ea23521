"""Executes notebooks from fresh kernels and writes their outputs: the only way in which outputs get into the repository.

    python notebooks/execute.py                        every notebook, in place, from the shipped checkpoints alone
    python notebooks/execute.py cambridge/c*           only these
    python notebooks/execute.py --train runs/mine      copies in runs/mine, everything trained from scratch there
    python notebooks/execute.py --train runs/mine --ship    the same, then replaces the shipped checkpoints
    python notebooks/execute.py --ship                 only ships what checkpoints/ holds in progress

The progress of training is shown on the terminal and left out of the notebooks.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

HERE = Path(__file__).resolve().parent
SHIPPED = HERE.parent / "checkpoints"


class Headless(NotebookClient):
    """Passes what cells write to stderr (progress bars, warnings) on to the terminal instead of into the notebook."""

    def process_message(self, message, cell, cell_index):
        if message["msg_type"] == "stream" and message["content"]["name"] == "stderr":
            sys.stderr.write(message["content"]["text"])
            sys.stderr.flush()
            return None
        return super().process_message(message, cell, cell_index)


def execute(source: Path, target: Path) -> float | None:
    """Runs the notebook in its own folder and writes it with its outputs, whole or not at all.

    Returns:
        The most memory that its kernel held, in GB; None where the system does not tell (elsewhere than on Linux).
    """
    peak = None

    def note_peak(**_):
        nonlocal peak
        peak = peak_memory(client.km.provisioner.pid)

    notebook = nbformat.read(source, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            cell.metadata.pop("execution", None)
    quiet = ["--IPKernelApp.log_level=ERROR"]  # kernels warn of unencrypted connections, here to the machine itself
    client = Headless(notebook, extra_arguments=quiet, timeout=None, resources={"metadata": {"path": str(source.parent)}}, record_timing=False, store_widget_state=False)
    client.on_cell_executed = note_peak
    client.execute(env={**os.environ, "PROBNN_HEADLESS": "1"})
    notebook.metadata["language_info"] = {"name": "python"}  # not the version: outputs change when results do
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    nbformat.write(notebook, partial)
    os.replace(partial, target)
    return peak


def peak_memory(pid: int) -> float | None:
    """The most memory that a process has held, in GB."""
    status = Path(f"/proc/{pid}/status")
    kilobytes = re.search(r"VmHWM:\s+(\d+)", status.read_text()) if status.exists() else None
    return int(kilobytes[1]) * 1024 / 1e9 if kilobytes else None


@contextmanager
def shipped_only():
    """A copy of the shipped checkpoints in place of the folder, so that no training in progress gets into a notebook.

    What had to be computed all the same, because it was not shipped, is in progress in the folder afterwards.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(SHIPPED, Path(folder) / "checkpoints", ignore=shutil.ignore_patterns("in-progress"))
        os.environ["PROBNN_CHECKPOINTS"] = str(copy)
        try:
            yield
        finally:
            del os.environ["PROBNN_CHECKPOINTS"]
            for computed in copy.rglob("in-progress/*.pt"):
                target = SHIPPED / computed.relative_to(copy)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(computed, target)
                print(f"not shipped, so it was computed: {target}", file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patterns", nargs="*", default=["*/*"], help="notebooks, as in cambridge/c*")
    parser.add_argument("--train", type=Path, metavar="FOLDER", help="train from scratch; checkpoints and executed copies go to FOLDER")
    parser.add_argument("--ship", action="store_true", help="make what was trained the shipped checkpoints")
    arguments = parser.parse_args()

    sources = sorted({path for pattern in arguments.patterns for path in HERE.glob(pattern.removesuffix(".ipynb") + ".ipynb")})
    if not sources:
        parser.error(f"expected patterns of notebooks in {HERE}, got {arguments.patterns}, which match none")
    if arguments.train:
        if arguments.train.exists() and any(arguments.train.iterdir()):
            print(f"{arguments.train} holds an earlier run: it goes on where that stopped", file=sys.stderr)
        os.environ["PROBNN_CHECKPOINTS"] = str(arguments.train.resolve())
        failed = execute_all(sources, arguments.train)
    elif not arguments.ship:
        with shipped_only():
            failed = execute_all(sources, HERE)
    else:
        failed = []
    if failed:
        print(f"{len(failed)} of {len(sources)} notebooks failed: {', '.join(map(str, failed))}", file=sys.stderr)
        return 1
    if arguments.ship:
        ship_all()
    elif not arguments.train:
        print(f"All {len(sources)} notebooks ran. Open them with 'make lab', or read them in {HERE}.", file=sys.stderr)
    return 0


def execute_all(sources: list[Path], folder: Path) -> list[Path]:
    """Executes the notebooks one after the other into the folder; returns the names of those that failed."""
    failed = []
    for number, source in enumerate(sources, start=1):
        name = source.relative_to(HERE)
        target = folder / name
        print(f"[{number}/{len(sources)}] {name} ...", file=sys.stderr, flush=True)
        start = time.perf_counter()
        try:
            peak = execute(source, target)
            memory = f", {peak:.1f} GB at most" if peak else ""
            print(f"[{number}/{len(sources)}] {name}: {time.perf_counter() - start:.0f} s{memory}, written to {target}", file=sys.stderr, flush=True)
        except (CellExecutionError, RuntimeError) as error:
            failed.append(name)
            print(f"[{number}/{len(sources)}] {name}: FAILED, left unchanged\n{error}", file=sys.stderr, flush=True)
    return failed


def ship_all() -> None:
    """Ships everything that is in progress in the checkpoint folder."""
    from probnn import checkpoint_folder, ship

    folder = checkpoint_folder()
    for working in sorted(folder.rglob("in-progress/*.pt")):
        path = working.parent.parent.relative_to(folder) / working.name
        print(f"shipped {ship(path, SHIPPED)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
