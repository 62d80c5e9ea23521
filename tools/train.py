"""Trains everything from scratch, pages side by side, and compares it with what is shipped.

    python -m tools.train                         into runs/DATE
    python -m tools.train --into runs/mine        goes on with what is there
    python -m tools.train "cambridge/c*"          only these pages; what they read is to be there
    python -m tools.train --into runs/mine --ship      then replaces the shipped checkpoints
    python -m tools.train --seed 3                every seed another: does it still hold?
    python -m tools.train --into runs/cut --cut-short 30    30 steps a training, few data

Each page runs on one thread, so that its results do not depend on how many run at once; its bars
and warnings go into a file beside it. Interrupted or killed, the same command goes on from there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat
import psutil
import torch
from jupyter_core.utils import ensure_event_loop
from nbclient.exceptions import CellExecutionError

from probnn.runtime import write_whole
from probnn.runtime.precision import has_bfloat16
from tools.anew import Anew, numbers_in, preamble
from tools.comparison import compare, table
from tools.execute import chosen, execute, ship_all, without_colours
from tools.pages import NOTEBOOKS, ROOT, code_cells

# what each page reads of others
READS = {
    "cambridge/b_dips": "cambridge/a_regression",
    "cambridge/d_likely_images": "cambridge/c_autoencoder",
    "cambridge/f_style": "cambridge/c_autoencoder",
    "oslo/1_2_denoising": "oslo/1_1_compression",
    "oslo/1_3_sparse": "oslo/1_1_compression",
    "toronto/3_exploring": "toronto/2_training",
    "toronto/4_inpainting": "toronto/2_training",
}
# what is begun first, since it takes longest or others wait for it
FIRST = (
    *("cambridge/g", "cambridge/c", "cambridge/d", "toronto/2", "autoencoder-2d", "oslo/3_2"),
    *("cambridge/e", "cambridge/a", "oslo/2", "oslo/1_1", "oslo/1_3", "toronto/4"),
)
# whose trainings, and whose stored results, are so much faster in it, and as good: see
# benchmarks/README.md
IN_BFLOAT16 = (
    *("cambridge/c", "cambridge/e", "cambridge/f", "autoencoder-2d", "oslo/1"),
    *("toronto/2", "toronto/4"),
)
STORED_IN_BFLOAT16 = ("cambridge/d",)
GIGABYTES = 3.5  # that a page may need
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "LOKY_MAX_CPU_COUNT": "1",  # what a page would do in processes of their own it does itself
}


def main() -> int:
    """What the command does; 1 if a page failed or a check of one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("patterns", nargs="*", help="pages, as in cambridge/c*; by default all")
    parser.add_argument("--into", type=Path, metavar="FOLDER", help="by default runs/DATE")
    parser.add_argument("--seed", type=int, default=0, help="another one for every seed of a page")
    parser.add_argument("--jobs", type=int, default=0, help="pages at once; by default, cores")
    parser.add_argument("--float32", action="store_true", help="no bfloat16 anywhere")
    parser.add_argument("--ship", action="store_true", help="replace the shipped checkpoints then")
    parser.add_argument("--cut-short", type=int, default=0, metavar="STEPS", help="of a training")
    arguments = parser.parse_args()
    if arguments.ship and (arguments.cut_short or arguments.seed):
        parser.error("expected --ship without --seed and --cut-short: such weights are no pages'")
    sources = chosen(arguments.patterns, parser)
    folder = (arguments.into or ROOT / f"runs/{datetime.now():%Y-%m-%d-%H%M}").resolve()
    reduced = has_bfloat16(torch.device("cpu")) and not arguments.float32
    jobs = arguments.jobs or most_at_once()
    say(
        f"Trains {len(sources)} pages into {folder}, {jobs} at once, each on one thread"
        + (f"; {', '.join(IN_BFLOAT16 + STORED_IN_BFLOAT16)} in bfloat16" if reduced else "")
    )
    os.environ["PROBNN_CHECKPOINTS"] = str(folder)
    begin = time.perf_counter()
    records = train_all(sources, folder, jobs, arguments.seed, reduced, arguments.cut_short)
    print(table(records, time.perf_counter() - begin))
    failed = [name for name, record in records.items() if record.get("error")]
    doubtful = [name for name, record in records.items() if record.get("failed_checks")]
    for name in failed if arguments.cut_short else failed + doubtful:
        say(f"\n{name}:", *(records[name].get("failed_checks") or [records[name]["error"]]))
    if failed or (doubtful and not arguments.cut_short):
        return 1
    if arguments.ship:
        ship_all()
    return 0


def train_all(
    sources: list[Path], folder: Path, jobs: int, seed: int, reduced: bool, cut_short: int
) -> dict[str, dict[str, Any]]:
    """Trains the pages, those that others read before those; returns the record of each."""
    names = [str(source.relative_to(NOTEBOOKS).with_suffix("")) for source in sources]
    names.sort(key=lambda name: next((i for i, f in enumerate(FIRST) if name.startswith(f)), 99))
    records: dict[str, dict[str, Any]] = {}
    running: dict[Future, str] = {}
    begin = time.perf_counter()
    with ThreadPoolExecutor(jobs) as pool:
        while len(records) < len(names):
            for name in names:
                begun = name in records or name in running.values()
                waits = READS.get(name) in set(names) - set(records)
                if len(running) < jobs and not begun and not waits:
                    how = choose(name, seed, reduced)
                    running[pool.submit(train, name, folder, how, cut_short)] = name
            for future in ended(running):
                name = running.pop(future)
                record = records[name] = compare(name, future.result())
                at = time.perf_counter() - begin
                say(f"[{len(records)}/{len(names)}] {at:4.0f} s  {name}: {record['told']}")
    return {name: records[name] for name in sorted(records)}


def choose(name: str, seed: int, reduced: bool) -> Anew:
    """How a page is trained."""
    train = reduced and name.startswith(IN_BFLOAT16)
    return Anew(seed, train, reduced and name.startswith(STORED_IN_BFLOAT16))


def ended(running: Iterable[Future]) -> Iterable[Future]:
    """Those that have ended, at least one of them."""
    try:
        return wait(running, return_when=FIRST_COMPLETED).done
    except KeyboardInterrupt:
        say("Interrupted. The same command, with this folder, goes on from there.")
        os._exit(130)  # with all kernels, which notice that nobody is there any more


def train(name: str, folder: Path, how: Anew, cut_short: int) -> dict[str, Any]:
    """Trains a page, if that was not done; returns what is recorded of it, in its .json."""
    source, target = NOTEBOOKS / f"{name}.ipynb", folder / f"{name}.ipynb"
    kept, numbers = folder / f"{name}.json", folder / f"{name}.numbers"
    code = "\n".join(cell.source for cell in code_cells(nbformat.read(source, as_version=4)))
    made_from = [hashlib.sha256(code.encode()).hexdigest(), list(how), cut_short]
    if target.exists() and kept.exists():
        record = json.loads(kept.read_text())
        if record["made_from"] == made_from:
            return record | {"before": True}
    target.parent.mkdir(parents=True, exist_ok=True)
    how = how._replace(numbers=str(numbers), animations=str(target.parent))
    first = preamble(how, cut_short)
    begin = time.perf_counter()
    try:
        with (folder / f"{name}.log").open("a") as log:
            peak, failed_checks = execute(source, target, first, True, ONE_THREAD, log)
    except (CellExecutionError, RuntimeError, OSError) as error:
        return {"error": without_colours(str(error)), "seconds": time.perf_counter() - begin}
    finally:
        ensure_event_loop().close()
    record = {
        "made_from": made_from,
        "seconds": time.perf_counter() - begin,
        "peak": peak,
        "failed_checks": failed_checks,
        "numbers": numbers_in(numbers),
    }
    write_whole(kept, json.dumps(record, indent=1, ensure_ascii=False))
    numbers.unlink(missing_ok=True)
    return record


def most_at_once() -> int:
    """As many as there are cores, and memory for."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = psutil.virtual_memory().total / 1e9
    return max(1, min(cores or 1, int(memory / GIGABYTES)))


def say(*lines: str) -> None:
    print(*lines, sep="\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
