"""How a training compares with what is shipped, and with trainings from other seeds.

    python -m tools.comparison runs/seed1 runs/seed2    keeps their numbers in benchmarks/seeds.json

What is compared are the numbers that a page guards with `says`. Each of other seeds gives it, too,
so it is known how far one training lies from another.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

from scipy.stats import t as student_t

from probnn.runtime import write_whole
from tools.pages import ROOT

SEEDS = ROOT / "benchmarks/seeds.json"
# the result of each page: words of its text, and how they are told
RESULTS: dict[str, tuple[str, str]] = {}


def compare(name: str, record: dict[str, Any]) -> dict[str, Any]:
    """The record, and what is told of it: "told", a line, and "outside", words that do not fit."""
    if "error" in record:
        return record | {"told": "FAILED", "outside": []}
    numbers, known = record["numbers"], known_numbers().get(name, {})
    outside = [
        words
        for words, value in numbers.items()
        if len(known.get(words, [])) > 2 and not fits(value, known[words])
    ]
    told = f"{record['seconds']:.0f} s, {record['peak'] or 0:.1f} GB"
    if record.get("before"):
        told += ", done before"
    if record["failed_checks"]:
        told += f", {len(record['failed_checks'])} checks FAILED"
    if known:
        told += f", {len(numbers) - len(outside)} of {len(numbers)} numbers as from other seeds"
    return record | {"told": told, "outside": outside}


def fits(value: float, others: list[float]) -> bool:
    """Whether a value lies in the 99.9 % prediction interval of others, by Student's t.

    Source:
        Any textbook: mean ± t s sqrt(1 + 1/n), of n independent normal values.
    """
    mean, n = statistics.fmean(others), len(others)
    spread = statistics.stdev(others) * (1 + 1 / n) ** 0.5
    return bool(abs(value - mean) <= student_t.ppf(0.9995, n - 1) * spread + 1e-9 * abs(mean))


def known_numbers() -> dict[str, dict[str, list[float]]]:
    """Of each page its numbers, as shipped and from other seeds."""
    return json.loads(SEEDS.read_text()) if SEEDS.exists() else {}


def table(records: dict[str, dict[str, Any]], seconds: float) -> str:
    """The report: a row for each page."""
    lines = [f"\n{'page':<30} {'min':>5} {'GB':>4}  result (shipped, from other seeds)"]
    known = known_numbers()
    for name, record in records.items():
        if "error" in record:
            lines.append(f"{name:<30} {record['seconds'] / 60:5.1f}       FAILED")
            continue
        words, unit = RESULTS.get(name, ("", ""))
        told = ""
        if words in record["numbers"]:
            told = f"{record['numbers'][words]:.4g} {unit}"
            if others := known.get(name, {}).get(words):
                told += f" ({others[0]:.4g}, {min(others):.4g} to {max(others):.4g})"
        peak = f"{record['peak']:4.1f}" if record["peak"] else "    "
        lines.append(f"{name:<30} {record['seconds'] / 60:5.1f} {peak}  {told}")
        lines += [f"    outside of what other seeds give: {w}" for w in record["outside"]]
        lines += ["    a check failed, see below"] * len(record["failed_checks"])
    work = sum(record["seconds"] for record in records.values())
    lines.append(f"\n{seconds / 60:.1f} minutes, with pages side by side; {work / 60:.1f} in all")
    return "\n".join(lines)


def main() -> None:
    """Puts the numbers of these trainings beside those that are known, the shipped ones first."""
    known = known_numbers()
    for folder in sys.argv[1:]:
        for path in sorted(Path(folder).glob("*/*.json")):
            page = known.setdefault(f"{path.parent.name}/{path.stem}", {})
            for words, value in json.loads(path.read_text())["numbers"].items():
                page.setdefault(words, []).append(value)
    write_whole(SEEDS, json.dumps(known, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
