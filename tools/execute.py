"""Executes the pages from fresh kernels and writes their outputs. Nothing else does.

    python -m tools.execute                every page, in place, from the shipped checkpoints
    python -m tools.execute cambridge/c*   only these
    python -m tools.execute --numbers runs/shipped    and keeps their numbers, for tools.comparison
    python -m tools.execute --ship         only ships what checkpoints/ holds in progress

The progress of training is shown on the terminal and left out of the pages. `tools.train` trains
them from scratch, elsewhere.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TextIO

import nbformat
from nbclient.exceptions import CellExecutionError

from probnn.runtime import checkpoint_folder, write_whole
from probnn.training import ship
from probnn.training.claims import ASIDE
from tools.anew import Anew, numbers_in, preamble
from tools.kernels import run, whole_streams
from tools.pages import NOTEBOOKS, ROOT, code_cells, tags
from tools.pictures import keep_pictures

SHIPPED = ROOT / "checkpoints"


class Execution(NamedTuple):
    """What is told of a page that was executed.

    Attributes:
        peak: the most memory that its kernel held, in GB; None where the system does not tell (not
            Linux).
        failed_checks: what it asserts and did not find to hold, where that is no error.
    """

    peak: float | None
    failed_checks: list[str]


def execute(
    source: Path,
    target: Path,
    first: str = "",
    lenient: bool = False,
    settings: Mapping[str, str] | None = None,
    log: TextIO | None = None,
) -> Execution:
    """Runs the page in its own folder and writes it with its outputs, whole or not at all.

    Pictures that look as they did before stay as they are.

    Args:
        source: the notebook.
        target: where it is written.
        first: code that the kernel runs before the page.
        lenient: whether what the page asserts may fail, for it speaks of weights that are not
            these; any other error is one.
        settings: of the kernel's environment, beside those of this process.
        log: where bars and warnings go; the terminal by default.
    """
    notebook = nbformat.read(source, as_version=4)
    for cell in code_cells(notebook):
        cell.outputs, cell.execution_count = [], None
        cell.metadata.pop("execution", None)
    asserting = [cell for cell in code_cells(notebook) if asserts(cell)] if lenient else []
    before = [cell.metadata.get("tags") for cell in asserting]
    for cell in asserting:
        cell.metadata["tags"] = [*tags(cell), "raises-exception"]
    if first:
        notebook.cells.insert(0, nbformat.v4.new_code_cell(first))
    peak = run(notebook, source.parent, settings, log)
    if first:
        del notebook.cells[0]
        for number, cell in enumerate(code_cells(notebook), start=1):  # as if it had not been there
            for counted in (cell, *(o for o in cell.outputs if "execution_count" in o)):
                counted.execution_count = number
    failed_checks = []
    for cell, tagged in zip(asserting, before, strict=True):
        cell.metadata["tags"] = tagged
        if tagged is None:
            del cell.metadata["tags"]
        for error in (output for output in cell.outputs if output.output_type == "error"):
            if error.ename != "AssertionError":
                raise CellExecutionError("\n".join(error.traceback), error.ename, error.evalue)
            failed_checks.append(without_colours("\n".join(error.traceback)))
    for cell in code_cells(notebook):
        cell.outputs = whole_streams(cell.outputs)
    # not the version: outputs change when results do
    notebook.metadata["language_info"] = {"name": "python"}
    with suppress(OSError, ValueError):  # no page yet, or a damaged one
        keep_pictures(notebook, nbformat.read(target, as_version=4))
    write_whole(target, nbformat.writes(notebook) + "\n")
    return Execution(peak, failed_checks)


def without_colours(text: str) -> str:
    """A traceback without the codes that colour it on a terminal."""
    return re.sub(r"\x1b\[[\d;]*m", "", text)


def asserts(cell: nbformat.NotebookNode) -> bool:
    """Whether it is a check, or asserts something all the same."""
    return "check" in tags(cell) or bool(re.search(r"^\s*assert\b", cell.source, re.MULTILINE))


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
    parser.add_argument("patterns", nargs="*", help="notebooks, as in cambridge/c*; by default all")
    parser.add_argument(
        "--ship", action="store_true", help="make what was trained the shipped checkpoints"
    )
    parser.add_argument("--numbers", type=Path, metavar="FOLDER", help="where pages' numbers go")
    arguments = parser.parse_args()
    if arguments.ship:
        ship_all()
        return 0
    sources = chosen(arguments.patterns, parser)
    with shipped_only():
        failed = [source for source in sources if not execute_in_place(source, arguments.numbers)]
    if failed:
        names = ", ".join(str(source.relative_to(NOTEBOOKS)) for source in failed)
        print(f"{len(failed)} of {len(sources)} pages failed: {names}", file=sys.stderr)
        return 1
    print(
        f"All {len(sources)} pages ran. Open them with 'make lab', or read them in {NOTEBOOKS}.",
        file=sys.stderr,
    )
    return 0


def chosen(patterns: list[str], parser: argparse.ArgumentParser) -> list[Path]:
    """The pages that fit one of the patterns, or all; none is an error of the command."""
    found = {
        path
        for pattern in patterns or ["*/*"]
        for path in NOTEBOOKS.glob(pattern.removesuffix(".ipynb") + ".ipynb")
    }
    if not found:
        parser.error(f"expected patterns of pages in {NOTEBOOKS}, got {patterns}, which match none")
    return sorted(found)


def execute_in_place(source: Path, numbers: Path | None = None) -> bool:
    """Executes a page, says so on the terminal, and returns whether it ran.

    If there is a folder for the numbers that its text says, they go there.
    """
    name, begin = source.relative_to(NOTEBOOKS), time.perf_counter()
    kept = (numbers or Path()).resolve() / name.with_suffix(".numbers")
    first = preamble(Anew(numbers=str(kept))) if numbers else ""
    print(f"{name} ...", file=sys.stderr, flush=True)
    try:
        peak, _ = execute(source, source, first)
    except (CellExecutionError, RuntimeError) as error:
        print(f"{name}: FAILED, left unchanged\n{error}", file=sys.stderr, flush=True)
        return False
    if numbers:
        record = json.dumps({"numbers": numbers_in(kept)}, indent=1, ensure_ascii=False)
        write_whole(kept.with_suffix(".json"), record)
        kept.unlink()
    memory = f", {peak:.1f} GB at most" if peak else ""
    print(f"{name}: {time.perf_counter() - begin:.0f} s{memory}", file=sys.stderr, flush=True)
    return True


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
