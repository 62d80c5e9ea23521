"""Every wrong version on the page MISTAKES.md shows what the page says, and its test fails.

Each is applied to a copy of the package.
"""

import importlib
import math
import os
import re
import shutil
import signal
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tools.course.gallery import ENTRY

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "src/probnn"
PAGE = TESTS / "MISTAKES.md"

# where the names come from that the page's expressions use
MODULES = (
    *("densities", "data", "display", "inference", "models", "runtime", "training"),
    *("training.checkpoints", "tsne"),
)

pytestmark = pytest.mark.slow


class Mistake(NamedTuple):
    title: str
    file: str
    right: str
    wrong: str
    shown_by: str
    value_right: str
    value_wrong: str
    caught_by: str


def mistakes():
    found = []
    for entry in ENTRY.finditer(PAGE.read_text()):
        parts = entry.groupdict()
        lines, _ = parts.pop("lines").splitlines(), parts.pop("text")
        right, wrong = (
            "\n".join(line[1:] for line in lines if line.startswith(sign)) for sign in "-+"
        )
        found.append(Mistake(right=right, wrong=wrong, **parts))
    return found


MISTAKES = mistakes()


# What the expressions on the page use, besides probnn and torch.


def trained():
    """The model of Cambridge (c), and 200 test images."""
    import probnn

    model = probnn.GaussianEncoder(probnn.BernoulliImageGenerator(d=4))
    model.load_state_dict(
        probnn.load(TESTS.parent / "checkpoints/cambridge/c_autoencoder.pt")["model"]
    )
    return model, probnn.load_mnist("test").images[:200]


def bound():
    import probnn

    model, x = trained()
    return probnn.over_batches(model.loglik_lb, x).mean().item()


def log_p(samples=100):
    import probnn

    model, x = trained()
    return probnn.log_marginal(model.f.loglik, x, model(x), samples).estimate.mean().item()


def interrupted(look=lambda: None, signals=1):
    """Batches and random numbers seen by a loop that is interrupted before the third.

    Between, one looks around.
    """
    import torch

    import probnn
    from probnn.training import Interrupted

    torch.manual_seed(0)
    cycle, seen = probnn.enumerate_cycle(["a", "b", "c", "d"], shuffle=False, epochs=1), []
    for attempt in range(3):
        try:
            with probnn.Interruptable() as check_interrupted:
                for (_, number), batch in cycle:
                    if number == 2 and attempt == 0:
                        for _ in range(signals):
                            signal.raise_signal(signal.SIGINT)
                    check_interrupted()
                    seen.append((batch, round(torch.rand(()).item(), 2)))
        except Interrupted:
            look()
    return "".join(batch for batch, _ in seen), [noise for _, noise in seen]


def adam_steps(new_process=False):
    """What Adam has counted after four steps, left and taken up in the middle.

    In memory, by the coursework's two cells as they are written; or in a new process, from the
    file.
    """
    import tempfile

    import torch

    import probnn

    with tempfile.TemporaryDirectory() as folder:
        for attempt in range(2):
            if attempt == 0 or new_process:
                weight = torch.nn.Linear(1, 1)
                cycle = probnn.enumerate_cycle([torch.ones(1, 1)] * 4, epochs=1)
            optimizer = torch.optim.Adam(weight.parameters())
            if new_process:
                parts = {"model": weight, "optimizer": optimizer}
                probnn.resume(f"{folder}/model.pt", batches=cycle, save_every=0, **parts)
            for (_, number), batch in cycle:
                optimizer.zero_grad()
                weight(batch).sum().backward()
                optimizer.step()
                if attempt == 0 and number == 1:
                    cycle.write()
                    break
    return int(optimizer.state[weight.weight]["step"])


class Payload:
    """A pickle that runs code when it is loaded."""

    def __reduce__(self):
        return eval, ("__import__('os').environ.__setitem__('PROBNN_PAYLOAD', 'ran')",)


def runs_code():
    """Whether loading a malicious checkpoint runs its code."""
    import tempfile

    import torch

    import probnn

    os.environ.pop("PROBNN_PAYLOAD", None)
    with tempfile.TemporaryDirectory() as folder:
        torch.save({"probnn checkpoint": 1, "parts": Payload()}, f"{folder}/model.pt")
        try:
            probnn.load(f"{folder}/model.pt")
        except ValueError:
            pass
    return os.environ.pop("PROBNN_PAYLOAD", "") == "ran"


def a_bit_flips():
    """The largest of a thousand ones, read from a checkpoint in which one bit has flipped."""
    import tempfile

    import torch

    from probnn.training import load, save

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ones.pt"
        save(path, ones={"tensor": torch.ones(1000)})
        content = bytearray(path.read_bytes())
        content[content.index(torch.ones(1000).numpy().tobytes()) + 3] ^= 0x40
        path.write_bytes(content)
        return load(path)["ones"]["tensor"].max().item()


def somebody_elses_file():
    """What a process is told that claims a file into which another one trains."""
    import json
    import socket
    import tempfile
    from dataclasses import asdict

    import psutil

    from probnn.training.claims import Claim, Owner, began

    first = psutil.Process(1)
    owner = Owner("", 1, began(first), socket.gethostname(), "")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "c.pt.owner").write_text(json.dumps(asdict(owner)))
        said = Claim(Path(folder) / "c.pt").take()
    return said.replace(socket.gethostname() + "-1-", "1").replace(owner.host, "this computer")


def evaluate(expression):
    """The value of an expression, as the page writes it; an error is its type."""
    import torch

    torch.manual_seed(0)
    names = {"torch": torch, "math": math}
    for module in MODULES:
        names.update(vars(importlib.import_module(f"probnn.{module}")))
    names.update({name: f for name, f in globals().items() if callable(f)})
    try:
        value = eval(expression, names)
    except BaseException as error:  # an interrupt is one
        return type(error).__name__
    if isinstance(value, torch.Tensor):
        value = value.tolist()
    if isinstance(value, list) and value and isinstance(value[0], float):
        return str([float(f"{v:.3g}") for v in value])
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def in_a_new_process(source, expression, test, answer):
    """Runs in a process of its own, with the package from `source`.

    Answers what the expression gives, and whether the test passes.
    """
    sys.path.insert(0, str(source))
    os.chdir(TESTS.parent)
    sys.stdout = sys.stderr = open(os.devnull, "w")
    import probnn

    assert Path(probnn.__file__).is_relative_to(source)
    shown = evaluate(expression)
    sys.modules.pop("__mp_main__", None)
    code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-o", "addopts=", str(TESTS / test)])
    answer.put((shown, int(code)))


def apply(mistake, folder):
    source = shutil.copytree(
        PACKAGE, folder / "probnn", ignore=shutil.ignore_patterns("__pycache__")
    )
    text = (source / mistake.file).read_text()
    assert text.count(mistake.right) == 1, (
        f"{mistake.file} holds these lines {text.count(mistake.right)} "
        f"times, not once: {mistake.right}"
    )
    (source / mistake.file).write_text(text.replace(mistake.right, mistake.wrong))
    return folder


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.title)
def test_it_does_what_the_page_says_and_is_caught(mistake, tmp_path, processes, monkeypatch):
    monkeypatch.setenv("PROBNN_DATA", str(TESTS.parent / "data"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    answer = processes.Queue()
    process = processes.Process(
        target=in_a_new_process,
        args=(apply(mistake, tmp_path), mistake.shown_by, mistake.caught_by, answer),
    )
    process.start()
    shown, code = answer.get(timeout=120)
    process.join()
    assert shown == mistake.value_wrong
    assert code in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED), (
        f"{mistake.caught_by} does not fail ({code})"
    )


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.title)
def test_the_right_version_does_what_the_page_says(mistake):
    assert evaluate(mistake.shown_by) == mistake.value_right


def test_the_page_is_read_whole():
    assert len(MISTAKES) == PAGE.read_text().count("```diff") >= 30


def test_the_tests_that_the_page_names_are_there():
    for file, test in re.findall(r"`tests/([\w/]+\.py)::(\w+)", PAGE.read_text()):
        assert f"def {test}(" in (TESTS / file).read_text(), f"{file}::{test}"
