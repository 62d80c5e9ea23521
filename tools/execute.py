"""Executes the pages from fresh kernels and writes their outputs. Nothing else does.

    python -m tools.execute                    every page, in place, from the shipped checkpoints
    python -m tools.execute cambridge/c*       only these
    python -m tools.execute --train runs/mine  copies in runs/mine, everything trained from scratch
    python -m tools.execute --train runs/mine --ship           then replaces the shipped checkpoints
    python -m tools.execute --ship             only ships what checkpoints/ holds in progress
    python -m tools.execute --train runs/cut --cut-short 30    30 steps a training, few data

The progress of training is shown on the terminal and left out of the pages.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbclient.exceptions import CellExecutionError

from probnn.runtime import checkpoint_folder, write_whole
from probnn.training import ship
from probnn.training.claims import ASIDE
from tools.kernels import run, whole_streams
from tools.pages import NOTEBOOKS, ROOT, code_cells, tags
from tools.pictures import keep_pictures

SHIPPED = ROOT / "checkpoints"


class Execution(NamedTuple):
    """What is told of a page that was executed.

    Attributes:
        peak: the most memory that its kernel held, in GB; None where the system does not tell (not
            Linux).
        failed_checks: what its check did not find to hold, where that is no error.
    """

    peak: float | None
    failed_checks: list[str]


def execute(
    source: Path, target: Path, cut_short: int | None = None, anew: bool = False
) -> Execution:
    """Runs the page in its own folder and writes it with its outputs, whole or not at all.

    Pictures that look as they did before stay as they are.

    Args:
        source: the notebook.
        target: where it is written.
        cut_short: steps of each training, to see only that the page runs. Assertions of cells
            tagged `check` may then fail, for they speak of trained weights; any other error is one.
        anew: whether it trains from scratch. Assertions of its check may then fail, too: hours of
            training are kept, and what failed is told.
    """
    notebook = nbformat.read(source, as_version=4)
    for cell in code_cells(notebook):
        cell.outputs, cell.execution_count = [], None
        cell.metadata.pop("execution", None)
    failed_checks = []
    if cut_short:
        notebook.cells.insert(0, nbformat.v4.new_code_cell(CUT_SHORT.format(ROOT, cut_short)))
    for cell in checks(notebook) if cut_short or anew else []:
        cell.metadata["tags"].append("raises-exception")
    peak = run(notebook, source.parent)
    if cut_short:
        del notebook.cells[0]
    for cell in checks(notebook) if cut_short or anew else []:
        cell.metadata["tags"].remove("raises-exception")
        for error in (output for output in cell.outputs if output.output_type == "error"):
            if error.ename != "AssertionError":
                raise CellExecutionError("\n".join(error.traceback), error.ename, error.evalue)
            failed_checks.append("\n".join(error.traceback))
    for cell in code_cells(notebook):
        cell.outputs = whole_streams(cell.outputs)
    # not the version: outputs change when results do
    notebook.metadata["language_info"] = {"name": "python"}
    with suppress(OSError, ValueError):  # no page yet, or a damaged one
        keep_pictures(notebook, nbformat.read(target, as_version=4))
    write_whole(target, nbformat.writes(notebook) + "\n")
    return Execution(peak, failed_checks)


CUT_SHORT = """
import sys
sys.path.insert(0, "{0}")
from tools.cut_short import cut_short
del sys.path[0]
cut_short(steps={1})
"""


def checks(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The cells tagged `check`."""
    return [cell for cell in code_cells(notebook) if "check" in tags(cell)]


@contextmanager
def shipped_only() -> Iterator[None]:
    """A copy of the shipped checkpoints in place of their folder.

    So no training in progress gets into a page. What had to be computed all the same, because it
    was not shipped, is in progress in the folder afterwards.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(
            SHIPPED, Path(folder) / "checkpoints", ignore=shutil.ignore_patterns("in-progress")
        )
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
    """What the command does; 1 if a page failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "patterns", nargs="*", default=["*/*"], help="notebooks, as in cambridge/c*"
    )
    parser.add_argument(
        "--train",
        type=Path,
        metavar="FOLDER",
        help="train from scratch; checkpoints and executed copies go to FOLDER",
    )
    parser.add_argument(
        "--ship", action="store_true", help="make what was trained the shipped checkpoints"
    )
    parser.add_argument(
        "--cut-short",
        type=int,
        metavar="STEPS",
        help="end each training after STEPS; needs --train",
    )
    arguments = parser.parse_args()
    if arguments.cut_short and (not arguments.train or arguments.ship):
        parser.error(
            "expected --cut-short with --train FOLDER and without --ship: its "
            "outputs are not to be kept"
        )

    sources = sorted(
        {
            path
            for pattern in arguments.patterns
            for path in NOTEBOOKS.glob(pattern.removesuffix(".ipynb") + ".ipynb")
        }
    )
    if not sources:
        parser.error(
            f"expected patterns of notebooks in {NOTEBOOKS}, got "
            f"{arguments.patterns}, which match none"
        )
    if arguments.train:
        if arguments.train.exists() and any(arguments.train.iterdir()):
            print(
                f"{arguments.train} holds an earlier run: it goes on where that stopped",
                file=sys.stderr,
            )
        os.environ["PROBNN_CHECKPOINTS"] = str(arguments.train.resolve())
        failed = execute_all(sources, arguments.train, arguments.cut_short, anew=True)
    elif not arguments.ship:
        with shipped_only():
            failed = execute_all(sources, NOTEBOOKS)
    else:
        failed = []
    if failed:
        print(
            f"{len(failed)} of {len(sources)} notebooks failed: {', '.join(map(str, failed))}",
            file=sys.stderr,
        )
        return 1
    if arguments.ship:
        ship_all()
    elif not arguments.train:
        print(
            f"All {len(sources)} notebooks ran. Open them with 'make lab', or "
            f"read them in {NOTEBOOKS}.",
            file=sys.stderr,
        )
    return 0


def execute_all(
    sources: list[Path], folder: Path, cut_short: int | None = None, anew: bool = False
) -> list[Path]:
    """Executes the pages one after the other into the folder; returns which failed."""
    failed = []
    for number, source in enumerate(sources, start=1):
        name = source.relative_to(NOTEBOOKS)
        target = folder / name
        print(f"[{number}/{len(sources)}] {name} ...", file=sys.stderr, flush=True)
        start = time.perf_counter()
        try:
            peak, failed_checks = execute(source, target, cut_short, anew)
            memory = f", {peak:.1f} GB at most" if peak else ""
            print(
                f"[{number}/{len(sources)}] {name}: "
                f"{time.perf_counter() - start:.0f} s{memory}, written to {target}",
                file=sys.stderr,
                flush=True,
            )
            if failed_checks and not cut_short:
                failed.append(name)
                print("its check FAILED:", *failed_checks, sep="\n", file=sys.stderr, flush=True)
        except (CellExecutionError, RuntimeError) as error:
            failed.append(name)
            print(
                f"[{number}/{len(sources)}] {name}: FAILED, left unchanged\n{error}",
                file=sys.stderr,
                flush=True,
            )
    return failed


def ship_all() -> None:
    """Ships everything that is in progress in the checkpoint folder."""
    folder = checkpoint_folder()
    for working in sorted(folder.rglob("in-progress/*.pt")):
        if ASIDE in working.name:  # of a training that has lost its file to another
            continue
        path = working.parent.parent.relative_to(folder) / working.name
        print(f"shipped {ship(path, SHIPPED)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
