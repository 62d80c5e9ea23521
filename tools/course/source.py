"""Functions of the package as text: where they stand, their bodies, and what these need."""

from __future__ import annotations

import ast
import builtins
import textwrap
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tools.pages import ROOT

__all__ = [
    "Written",
    "find",
    "free_names",
    "imports_for",
    "lines_without",
]

PACKAGE = ROOT / "src/probnn"
Def = ast.FunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Written:
    """A function as it is written: where, and its node there."""

    module: str
    text: str
    node: ast.FunctionDef
    owner: str = ""

    @property
    def cell_name(self) -> str:
        """What the function is called in a notebook.

        Example:
            >>> find("probnn.models.autoencoders.Autoencoder.__init__").cell_name
            'Autoencoder_init'
        """
        name = self.node.name.strip("_")
        return f"{self.owner}_{name}" if self.owner else name

    @property
    def signature(self) -> str:
        """Its parameters and defaults, without types.

        Example:
            >>> find("probnn.densities.log_normal").signature
            'z, mu=0.0, sigma=1.0'
        """
        copy = ast.parse(ast.unparse(self.node)).body[0]
        assert isinstance(copy, (ast.FunctionDef, ast.AsyncFunctionDef))
        arguments = copy.args
        every = [*arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        for argument in every:
            if argument is not None:
                argument.annotation = None
        return ast.unparse(arguments)

    @property
    def call(self) -> str:
        """The arguments that hand its parameters on.

        Example:
            >>> find("probnn.models.encoder.Encoder.loglik_lb").call
            'self, x, *given, samples=samples'
        """
        arguments = self.node.args
        parts = [argument.arg for argument in arguments.args]
        parts += [f"*{arguments.vararg.arg}"] if arguments.vararg else []
        parts += [f"{argument.arg}={argument.arg}" for argument in arguments.kwonlyargs]
        return ", ".join(parts)

    @property
    def statements(self) -> list[ast.stmt]:
        """Its body, without the docstring and without a first call of super."""
        body = self.node.body[1:] if ast.get_docstring(self.node) else self.node.body
        return body[1:] if is_super(body[0]) else body

    @property
    def body(self) -> str:
        """Those statements as they are written, at the left margin."""
        return self.lines(self.statements)

    def lines(self, statements: list[ast.stmt]) -> str:
        """The lines of some statements of it, comments between them too, at the left margin."""
        last = statements[-1].end_lineno
        return textwrap.dedent("\n".join(self.text.splitlines()[statements[0].lineno - 1 : last]))


@lru_cache
def find(name: str) -> Written:
    """The function of this name, `probnn.` and so on, in the package.

    Raises:
        ValueError: if there is none.

    Example:
        >>> find("probnn.inference.likelihood.elbo").module
        'probnn.inference.likelihood'
    """
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        path = ROOT / "src" / Path(*parts[:length]).with_suffix(".py")
        if path.is_file():
            return inside(path.read_text(encoding="utf-8"), ".".join(parts[:length]), name)
    raise ValueError(f"expected the name of a function of the package, got {name}")


def inside(text: str, module: str, name: str) -> Written:
    """The function of this name in the text of its module."""
    node: ast.AST = ast.parse(text)
    *owners, last = name.removeprefix(module + ".").split(".")
    for part in (*owners, last):
        found = [n for n in ast.iter_child_nodes(node) if isinstance(n, Def) and n.name == part]
        if not found:
            raise ValueError(f"expected the name of a function of {module}, got {name}")
        (node,) = found
    assert isinstance(node, ast.FunctionDef)
    return Written(module, text, node, owners[0] if owners else "")


def free_names(code: str) -> set[str]:
    """Names that some code uses and neither binds nor finds among the builtins.

    Example:
        >>> sorted(free_names("def f(x, a=math.pi): return log(x) + a"))
        ['log', 'math']
    """
    tree = ast.parse(code)
    used: set[str] = set()
    bound = set(vars(builtins))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, Def):
            bound.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            bound |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return used - bound


def imports_for(code: str, text: str, module: str) -> list[str]:
    """Lines that import what some code from a module uses: as there, or from it.

    Example:
        >>> imports_for("math.log(LOG_2PI)", "import math\\nLOG_2PI = 2", "probnn.densities")
        ['import math', 'from probnn.densities import LOG_2PI']
    """
    needed, lines = free_names(code), []
    for node in ast.parse(text).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            aliases = [a for a in node.names if (a.asname or a.name).split(".")[0] in needed]
            if aliases:
                if isinstance(node, ast.ImportFrom):
                    lines.append(ast.unparse(ast.ImportFrom(node.module, aliases, node.level)))
                else:
                    lines.append(ast.unparse(ast.Import(aliases)))
                needed -= {(alias.asname or alias.name).split(".")[0] for alias in aliases}
    own = sorted(needed & {name for node in ast.parse(text).body for name in binds(node)})
    return lines + ([f"from {module} import {', '.join(own)}"] if own else [])


def binds(node: ast.stmt) -> set[str]:
    """The names that a statement of a module defines."""
    if isinstance(node, Def):
        return {node.name}
    names = (n for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
    return {name.id for name in names} if isinstance(node, (ast.Assign, ast.AnnAssign)) else set()


def lines_without(source: str, dropped: set[int]) -> str:
    """A cell's source without some of its statements, by the lines on which they start.

    What held nothing else goes with them.

    Example:
        >>> lines_without("if a:\\n    b()\\nc()", {2})
        'c()'
    """
    tree = ast.parse(source)
    gone: set[int] = set()

    def empties(node: ast.stmt) -> bool:
        nested = [getattr(node, part, []) for part in ("body", "orelse", "finalbody")]
        if node.lineno in dropped:
            return True
        inner = [statement for part in nested for statement in part]
        for statement in inner:
            if empties(statement):
                gone.update(range(statement.lineno, (statement.end_lineno or 0) + 1))
        left = [s for s in nested[0] if s.lineno not in gone]
        return bool(inner) and not left and not isinstance(node, Def)

    for statement in tree.body:
        if empties(statement):
            gone.update(range(statement.lineno, (statement.end_lineno or 0) + 1))
    kept = [line for number, line in enumerate(source.splitlines(), 1) if number not in gone]
    return "\n".join(kept).strip("\n")


def is_super(node: ast.stmt) -> bool:
    """Whether a statement is `super().__init__()`."""
    return isinstance(node, ast.Expr) and ast.unparse(node) == "super().__init__()"
