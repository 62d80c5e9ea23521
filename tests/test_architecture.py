"""The picture of the package in the documents is that of the code."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "src/probnn"

IMPORTS = {
    "densities": set(),
    "devices": set(),
    "random_streams": set(),
    "runtime": set(),
    "precision": set(),
    "data": {"devices"},
    "plots": set(),
    "parallel": set(),
    "explorer": {"live", "plots"},
    "likelihood": {"densities"},
    "conditional": {"densities", "likelihood", "vae"},
    "regression": {"densities"},
    "neighbours": {"devices"},
    "tsne": {"devices", "neighbours"},
    "autoencoders": {"data", "densities", "plots", "vae"},
    "vae": {"densities", "likelihood"},
    "quadrature": {"densities", "likelihood"},
    "sequences": {"densities", "devices", "likelihood"},
    "halves": {"vae"},
    "svi": {"densities", "likelihood", "random_streams"},
    "batches": {"random_streams"},
    "cycles": {"batches", "random_streams"},
    "training": {"batches", "cycles"},
    "checkpoints": {"devices"},
    "resuming": {"checkpoints", "devices", "training"},
    "live": {"random_streams", "training"},
}


def modules():
    return {path.stem: ast.parse(path.read_text()) for path in PACKAGE.glob("*.py") if not path.stem.startswith("__")}


def test_imports_inside_the_package_are_those_of_the_table():
    found = {
        name: {node.module.split(".")[1] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("probnn.")}
        for name, tree in modules().items()
    }
    assert found == IMPORTS


def test_no_probability_library_is_used():
    for name, tree in modules().items():
        names = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, (ast.Attribute, ast.alias))}
        assert not {n for n in names if "distributions" in n or n == "torch.bernoulli" or "binary_cross_entropy" in n}, name


def test_files_are_short_enough_to_read():
    for path in PACKAGE.glob("*.py"):
        assert len(path.read_text().splitlines()) <= 250, path.name


def test_public_functions_have_docstrings_and_return_types():
    for name, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                nested = not isinstance(node, ast.ClassDef) and node.returns is None
                assert ast.get_docstring(node) or node.name in SELF_EXPLANATORY, f"{name}.{node.name} has no docstring"
                assert not nested or node.name in UNTYPED, f"{name}.{node.name} has no return type"


SELF_EXPLANATORY = {"steps", "total_steps", "load_state_dict", "state_dict", "draw_order", "batches", "refresh", "show", "frame", "add", "sigma", "size"}
UNTYPED = {"over_batches", "preserved_random_state"}
