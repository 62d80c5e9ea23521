"""The copy of the package that goes to students: what is missing from it, and how."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap

from tools.course.source import Def, Written

__all__ = ["names_in", "unused_names", "without_answers", "without_examples"]


def without_answers(
    text: str,
    module: str,
    asked: dict[str, str],
    bodies: dict[str, str],
    unused: set[str],
    guarded: dict[str, str] | None = None,
) -> str:
    """The text of a module without the bodies of what students write, and without examples.

    Args:
        text, module: of the package.
        asked: what students are told of each function asked for, by its name.
        bodies: other bodies of other functions, by their names.
        unused: names of functions and classes that are missing, for no page needs them.
        guarded: what other functions do before all else, by their names.
    """
    tree, changes, guarded = ast.parse(text), [], guarded or {}
    said = (ast.get_docstring(tree) or "").splitlines()
    if said and (asked or unused):  # what more it says may be an answer
        left = not all(missing(module, *each, unused) for each in functions(tree))
        line = said[0] if left else "Not in this edition."
        changes.append((1, tree.body[0].end_lineno, f'"""{line}"""'))
    for owner, node in functions(tree):
        name, margin = f"{module}.{owner}{node.name}", " " * (node.col_offset + 4)
        if name in asked:
            doc = f'"""{asked[name]}"""' if "\n" not in asked[name] else f'"""{asked[name]}\n"""'
            call = f'handed_in("{name}")({Written(module, text, node).call})'
            new = [doc, f"return {call}"]
            if node.name == "__init__":
                new = [doc, "super().__init__()", call]
        elif name in bodies:
            new = [bodies[name]]
        elif name in guarded:
            written = Written(module, text, node)
            new = [f'"""{inspect.cleandoc(ast.get_docstring(node) or "")}"""']
            new += [guarded[name], written.body]
        elif missing(module, owner, node, unused):
            new = [f'raise NotImplementedError("{name} is not in this edition")']
        else:
            continue
        body = textwrap.indent("\n".join(new), margin)
        changes.append((node.body[0].lineno, node.end_lineno, body))
    lines = text.splitlines()
    for first, last, body in sorted(changes, reverse=True, key=lambda change: change[0]):
        lines[first - 1 : last] = [body]
    changed = without_examples("\n".join(lines) + "\n")
    mark = "from __future__ import annotations\n"
    ours = "\nfrom probnn.handed_in import handed_in\n"
    return changed.replace(mark, mark + ours, 1) if asked else changed


def missing(module: str, owner: str, node: ast.FunctionDef, unused: set[str]) -> bool:
    """Whether a function, or the class that it belongs to, is not in the copy."""
    return bool({f"{module}.{owner}{node.name}", f"{module}.{owner}".rstrip(".")} & unused)


def functions(tree: ast.AST) -> list[tuple[str, ast.FunctionDef]]:
    """The functions of a module, and the methods of its classes with `Class.` before them."""
    found = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef):
            found.append(("", node))
        elif isinstance(node, ast.ClassDef):
            found += [(f"{node.name}.", inner) for _, inner in functions(node)]
    return found


def names_in(code: str | ast.AST) -> set[str]:
    """All names and attributes that some code mentions.

    Example:
        >>> sorted(names_in("from a import b\\nc.d(b)"))
        ['b', 'c', 'd']
    """
    found = set()
    for node in ast.walk(ast.parse(code) if isinstance(code, str) else code):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {alias.name.split(".")[-1] for alias in node.names}
        elif isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
    return found


def unused_names(texts: dict[str, str], used: set[str], kept: tuple[str, ...]) -> set[str]:
    """Functions and classes of modules that nothing needs, by what code mentions.

    Args:
        texts: of the modules, by their names.
        used: names that are needed to begin with.
        kept: modules of which all is kept.
    """
    open_: dict[str, ast.AST] = {}
    needed = set(used)
    for module, text in texts.items():
        for node in ast.parse(text).body:
            if isinstance(node, Def) and not module.startswith(kept):
                open_[f"{module}.{node.name}"] = node
            elif not isinstance(node, (ast.Import, ast.ImportFrom)):
                needed |= names_in(node) - {"__all__"}
    while found := [name for name in open_ if name.split(".")[-1] in needed]:
        for name in found:
            needed |= names_in(open_.pop(name))
    return set(open_)


def without_examples(text: str) -> str:
    """The text without the examples of its docstrings: they show what functions give."""
    return re.sub(r"\n+ +Example:\n(?:(?: {4,}[^\n]*)?\n)*?( *\"\"\")", r"\n\1", text)
