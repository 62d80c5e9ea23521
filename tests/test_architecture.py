"""The house: who may import whom, and what the documents say of it, is what the code does."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src/probnn"

# The floors from the ground up. A module imports from its own folder, or from floors below.
FLOORS = (
    {"densities", "runtime"},
    {"data", "tsne", "training"},
    {"inference"},
    {"models"},
    {"display"},
)
# What each folder, or module on its own, imports from the others: no more, and no less.
IMPORTS = {
    "densities": set(),
    "runtime": set(),
    "data": {"runtime"},
    "tsne": {"runtime"},
    "training": {"runtime"},
    "inference": {"densities", "runtime"},
    "models": {"densities", "inference", "runtime"},
    "display": {"data", "runtime", "training"},
}


def sources():
    return {path: ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}


def name_of(path):
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(
        ".__init__"
    )


def imported(tree):
    """The modules of the package that a file imports, also within functions."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole path"
            if (node.module or "").split(".")[0] == "probnn":
                found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names if name.name.split(".")[0] == "probnn"}
    return found


def folder(module):
    return module.split(".")[1]


def test_folders_import_what_the_table_says():
    found = {}
    for path, tree in sources().items():
        name = name_of(path)
        if name not in ("probnn", "probnn.__main__"):
            others = {folder(module) for module in imported(tree)} - {folder(name)}
            found.setdefault(folder(name), set()).update(others)
    assert found == IMPORTS


def test_nothing_is_imported_from_a_floor_above_or_beside():
    assert set().union(*FLOORS) == set(IMPORTS)
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    for name, others in IMPORTS.items():
        assert all(floor[other] < floor[name] for other in others), name


def test_modules_do_not_import_each_other_in_a_circle():
    imports = {name_of(path): imported(tree) for path, tree in sources().items()}
    done = set()

    def visit(module, way=()):
        assert module not in way, " -> ".join((*way, module))
        if module not in done:
            for other in imports[module]:
                visit(other, (*way, module))
            done.add(module)

    for module in imports:
        visit(module)


def test_models_densities_inference_and_tsne_know_no_data_training_or_drawing():
    for name in ("densities", "inference", "models", "tsne"):
        assert not IMPORTS[name] & {"data", "training", "display"}


def test_one_module_reads_the_environment():
    readers = set()
    for path, tree in sources().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb"):
                readers.add(path.name)
    assert readers == {"settings.py"}


def test_every_setting_is_in_the_table_of_settings_and_nothing_else_is():
    code = (PACKAGE / "runtime/settings.py").read_text()
    documented = re.findall(r"^\| `(PROBNN_\w+)` \|", (ROOT / "docs/settings.md").read_text(), re.M)
    assert sorted(documented) == sorted(set(re.findall(r"PROBNN_\w+", code)))


@pytest.mark.parametrize("trace", ["CUT_SHORT", "cut_short", "cut short", "pytest"])
def test_the_package_and_the_pages_know_nothing_of_tests(trace):
    pages = sorted((ROOT / "notebooks").glob("*/*.ipynb"))
    for path in (*PACKAGE.rglob("*.py"), *pages):
        assert trace not in path.read_text(), path.name


def test_no_class_is_changed_and_no_probability_library_is_used():
    for path, tree in sources().items():
        for node in ast.walk(tree):
            if isinstance(node, (ast.Attribute, ast.alias)):
                name = ast.unparse(node)
                assert not name.endswith("__class__"), path.name
                assert "distributions" not in name and name != "torch.bernoulli", path.name
                assert "binary_cross_entropy" not in name, path.name


def test_files_are_short_enough_to_read():
    for path in PACKAGE.rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 250, path.name


def test_writing_a_file_whole_exists_once():
    writers = {path.name for path, tree in sources().items() if "os.replace" in ast.unparse(tree)}
    for path in (ROOT / "tools").rglob("*.py"):
        if re.search(r"os\.replace|\.write_text\(|\.write_bytes\(", path.read_text()):
            writers.add(path.name)
    assert writers == {"files.py"}


def test_public_functions_have_docstrings():
    for path, tree in sources().items():
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path.name}: {node.name}"


# Modules that are tested in a file of another name: test files must not share theirs.
TESTED_WITH = {
    "data/files": "data_files",
    "models/encoder": "images",
    "models/networks": "images",
    "models/pixels": "images",
    "training/storing": "resuming",
}


def test_the_tests_mirror_the_package():
    for path in PACKAGE.rglob("*.py"):
        if path.parent != PACKAGE and path.name != "__init__.py":
            name = TESTED_WITH.get(f"{path.parent.name}/{path.stem}", path.stem)
            test = ROOT / "tests" / path.parent.name / f"test_{name}.py"
            assert test.exists(), test
