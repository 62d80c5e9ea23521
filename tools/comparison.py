"""How a training compares with what is shipped, and with trainings from other seeds.

    python -m tools.comparison runs/shipped runs/seed1 runs/seed2

keeps the numbers of these trainings in benchmarks/seeds.json, the shipped ones first; they come
from `python -m tools.execute --numbers runs/shipped` and `tools.train --seed 1 --into runs/seed1`.

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
RESULTS = {
    "autoencoder-2d/autoencoder_2d": ("is 64 % of PCA's", "of PCA's error on test images"),
    "cambridge/a_regression": ("it reaches -0.32", "nats per point, best start with σ(x)"),
    "cambridge/b_dips": ("goes down to -21.3 nats", "nats per point in the deepest dip"),
    "cambridge/c_autoencoder": ("reaches -129.7 nats", "nats per held-out image, ELBO"),
    "cambridge/d_likely_images": ("edge explains 62 % of", "of log p(x) told by the outline"),
    "cambridge/e_latent_dimension": ("beat four by 23 nats", "nats from d=4 to d=20, test ELBO"),
    "cambridge/f_style": ("read from 30 % of the codes", "of labels read from codes"),
    "cambridge/g_names": ("listen, for 0.55 nats", "nats of log p(name) for 8 of KL"),
    "cambridge/h_many_samples": ("samples, 0.40 instead", "signal to noise of the encoder"),
    "oslo/1_1_compression": ("test images 0.0068", "mean squared error, test images"),
    "oslo/1_2_denoising": ("removes 76 % of", "of the squared error removed"),
    "oslo/1_3_sparse": ("to 0.0150 per pixel", "mean squared error, sparse"),
    "oslo/2_vae": ("about -117 nats per test image", "nats per test image, ELBO"),
    "oslo/3_1_tsne": ("to 0.24.", "mean radius of the map with σ = 10"),
    "oslo/3_2_optimisers": ("final value, 0.0032 nats", "nats, KL of the map with σ = 10"),
    "toronto/1_model": ("hundred is -91 nats", "nats per training image, ELBO"),
    "toronto/2_training": ("over a plane, is -140.4", "nats per test image, log p(x)"),
    "toronto/3_exploring": ("name 65 % of unseen images", "of test images named from codes"),
    "toronto/4_inpainting": ("is 0.17 nats from", "nats from the posterior of a top"),
}


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
    """What the command does. What the shipped pages say no more is left out."""
    known: dict[str, dict[str, list[float]]] = {}
    for number, folder in enumerate(sys.argv[1:]):
        for path in sorted(Path(folder).glob("*/*.json")):
            page = known.setdefault(f"{path.parent.name}/{path.stem}", {})
            for words, value in json.loads(path.read_text(encoding="utf-8"))["numbers"].items():
                if number == 0 or words in page:
                    page.setdefault(words, []).append(value)
    write_whole(SEEDS, json.dumps(known, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
