"""Runs the check of one function in a process of its own. Imports nothing of the package.

The process has the student edition's package, the reference in place of all other functions, and a
guard: what students hand in may not open the course's own files, write outside an empty folder, or
start programs. It is a guard against curiosity and accidents, no prison: strangers' code belongs
into a container.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import math
import os
import pkgutil
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

__all__ = ["PRELOADED", "Job", "run"]

# what pages import, loaded once for all processes
PRELOADED = (
    *("tools.course.apart", "torch", "torch._dynamo", "torchvision", "matplotlib.pyplot", "pandas"),
    *("sklearn.neighbors", "sklearn.linear_model", "sklearn.decomposition", "sklearn.manifold"),
    *("scipy.stats", "IPython.display", "matplotlib_inline.backend_inline", "tqdm.auto"),
)
SPAWNING = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "pty.spawn")
CHANGING = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod")
YOURS = "<your cell>"


@dataclass
class Job:
    """What a process needs to check one function.

    Attributes:
        name: the function's, in the package or on its page.
        called: what it is called in the notebook.
        package: the folder with the student edition's package.
        data: the folder of the data.
        closed: folders that may not be read, but for the package, the data and Python itself.
        setup: source of the page's set-up cell, of which imports are run.
        references: sources of the cells that hand in all other functions.
        cells: the submitted notebook's.
        own: source of the submitted cell of this function; empty if it is missing.
    """

    name: str
    called: str
    package: str
    data: str
    closed: list[str]
    setup: str
    references: list[str]
    cells: list[dict[str, Any]]
    own: str


class Refused(PermissionError):
    """What the guard raises."""


class Guard:
    """An audit hook: once set, it cannot be taken off, only be told to look away."""

    def __init__(self, job: Job, folder: str) -> None:
        self.on, self.said, self.folder = False, "", os.path.realpath(folder)
        free = [job.package, job.data, sys.prefix, sys.base_prefix, __file__]
        self.free = [os.path.realpath(path) for path in free]
        self.closed = [os.path.realpath(path) for path in job.closed]

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event.startswith(SPAWNING):
            self.refuse("starts another program")
        if event == "open":
            path, mode, flags = arguments
            if isinstance(path, (str, bytes)) and path not in ("", os.devnull):
                real = os.path.realpath(os.fsdecode(path))
                writing = any(c in (mode or "") for c in "wax+") or bool(
                    isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)
                )
                if writing and not within(real, [self.folder]):
                    self.refuse(f"writes to {real}")
                if within(real, self.closed) and not within(real, [*self.free, self.folder]):
                    self.refuse(f"opens {real}, which belongs to the course")
        elif event.startswith(CHANGING):
            real = os.path.realpath(os.fsdecode(arguments[0]))
            if not within(real, [self.folder]):
                self.refuse(f"changes {real}")
        elif event in ("os.listdir", "os.scandir", "glob.glob") and arguments[0] is not None:
            real = os.path.realpath(os.fsdecode(arguments[0]))
            if within(real, self.closed) and not within(real, [*self.free, self.folder]):
                self.refuse(f"looks into {real}, which belongs to the course")

    def refuse(self, what: str) -> None:
        self.said = self.said or what
        raise Refused(what)


def within(path: str, folders: list[str]) -> bool:
    """Whether a path is one of the folders, or in one.

    Example:
        >>> within("/a/b", ["/a"]), within("/ab", ["/a"])
        (True, False)
    """
    return any(
        path == folder or path.startswith(folder.rstrip(os.sep) + os.sep) for folder in folders
    )


class Output:
    """Takes what is printed, and keeps none of it but the number of lines."""

    lines = 0

    def write(self, text: str) -> int:
        self.lines += text.count("\n")
        return len(text)

    def flush(self) -> None:
        """Nothing is held."""


def run(connection: Connection, job: Job) -> None:
    """Runs what was handed in, then asks for the check and runs that: answers (passed, said)."""
    output = Output()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1), os.dup2(nowhere, 2)
        sys.stdout = sys.stderr = output
        guard = Guard(job, folder)
        try:
            passed, said = attempt(connection, job, guard)
        except BaseException as error:
            passed, said = False, told(error)
        guard.on = False
        if guard.said:
            passed, said = False, f"what was handed in {guard.said}: it is not marked"
        if output.lines > 1000:
            said += f" ({output.lines:,} lines were printed, and left out)"
        connection.send((passed, said))
        os.chdir("/")


def attempt(connection: Connection, job: Job, guard: Guard) -> tuple[bool, str]:
    """What the check says of what was handed in."""
    handed_in = prepared(job)
    kept = {name: getattr(handed_in, name) for name in ("expect", "expect_shape", "hand_in")}
    names: dict[str, Any] = {"__name__": "notebook"}
    only_imports(job.setup, names)
    sys.addaudithook(guard)
    with untouched(handed_in):
        guard.on = True
        own = [cell for cell in job.cells if "".join(cell["source"]) != job.own]
        handed_in.definitions(own, names)
        handed_in.written.pop(job.name, None)
        if job.own:
            exec(compile(job.own, YOURS, "exec"), names)
        elif job.called not in names:
            raise AssertionError(f"the cell of {job.called} is missing")
        guard.on = False
        yours = handed_in.written.get(job.name) or names.get(job.called)
        for source in job.references:
            exec(compile(source, "<reference>", "exec"), names)
        names |= kept
        if not callable(yours):
            raise AssertionError(f"no function {job.called} in its cell")
        if job.name.startswith("probnn."):
            yours = handed_in.hand_in(job.name)(getattr(yours, "__wrapped__", yours))
        names[job.called] = yours
        connection.send("ready")
        check = connection.recv()
        guard.on = True
        # names of its own: what is handed in can put nothing in their place while it runs
        exec(compile(check, "<check>", "exec"), names | kept)
    return True, ""


def prepared(job: Job) -> Any:
    """The package's `handed_in`, with all of the package imported from the student edition."""
    os.environ["PROBNN_DATA"] = job.data
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.dont_write_bytecode = True
    sys.path.insert(0, job.package)
    package = importlib.import_module("probnn")
    assert Path(str(package.__file__)).is_relative_to(job.package), package.__file__
    for module in pkgutil.walk_packages(package.__path__, "probnn."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    importlib.import_module("torch").set_num_threads(1)
    return importlib.import_module("probnn.handed_in")


def only_imports(source: str, names: dict[str, Any]) -> None:
    """Runs the imports of a cell."""
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    exec(compile(tree, "<set-up>", "exec"), names)


@contextmanager
def untouched(handed_in: Any) -> Iterator[None]:
    """Fails if what runs in it replaced functions that checks rely on."""
    import torch

    owners = [builtins, math, torch, torch.Tensor, torch.distributions.Normal, handed_in]
    before = [(owner, dict(vars(owner))) for owner in owners]
    raised: BaseException | None = None
    try:
        yield
    except BaseException as error:
        raised = error
    for owner, values in before:
        for name, value in values.items():
            if vars(owner).get(name) is not value and callable(value):
                label = getattr(owner, "__name__", "")
                raise AssertionError(
                    f"what was handed in replaces {label}.{name}, which checks rely on"
                ) from raised
    if raised is not None:
        raise raised


def told(error: BaseException) -> str:
    """What a student is told of an error: what it is, and which line of the cell it came from."""
    if isinstance(error, AssertionError) and error.args:
        return str(error)
    said = traceback.format_exception_only(error)[-1].strip()
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == YOURS]
    if isinstance(error, SyntaxError):
        return said
    return said + (f", in line {lines[-1]} of the cell" if lines else "")
