"""The wheel, installed into an empty environment, works in a folder that is not the project's."""

import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DATA, CHECKPOINTS = ROOT / "data", ROOT / "checkpoints"
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
EXAMPLE = next(block for block in BLOCKS if "log_marginal" in block)
TELL = "\nimport probnn\nprint(probnn.__file__, tuple(estimate.shape))"
MIRROR = "import torchvision\ntorchvision.datasets.MNIST.mirrors = ['{}']\n"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The Python of an environment that holds our wheel, and sees this one's libraries."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    project = folder / "project"  # a copy: building leaves files behind
    shutil.copytree(ROOT / "src", project / "src", ignore=shutil.ignore_patterns("*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, project)
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, project]
    subprocess.run(build, check=True)
    (wheel,) = folder.glob("probnn-*.whl")
    venv.create(folder / "env")
    python = folder / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    told = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True)
    packages = Path(told.stdout.strip())
    install = [*pip, "install", "--no-deps", "--no-index", "--target", packages, wheel]
    subprocess.run(install, check=True)
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return python


@pytest.fixture
def run(python, tmp_path):
    """Runs code in an empty folder, with an empty cache folder and these settings."""

    def run(code, **settings):
        others = {k: v for k, v in os.environ.items() if not k.startswith(("PROBNN", "PYTHON"))}
        cache = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)}
        environment = {**others, **cache, **settings}
        (tmp_path / "empty").mkdir(exist_ok=True)
        return subprocess.run(
            [python, "-c", code],
            env=environment,
            cwd=tmp_path / "empty",
            capture_output=True,
            text=True,
        )

    return run


def worked(result):
    assert result.returncode == 0, result.stderr
    assert "(100,)" in result.stdout and str(ROOT) not in result.stdout
    return True


def test_the_readmes_example_works_with_folders_that_the_environment_names(run):
    named = {"PROBNN_DATA": str(DATA), "PROBNN_CHECKPOINTS": str(CHECKPOINTS)}
    assert worked(run(EXAMPLE + TELL, **named))


def test_it_works_with_data_and_checkpoints_in_the_cache_folder(run, tmp_path):
    cache = tmp_path / "cache/probnn"
    cache.mkdir(parents=True)
    (cache / "data").symlink_to(DATA)
    (cache / "checkpoints").symlink_to(CHECKPOINTS)
    assert worked(run(EXAMPLE + TELL))


def test_mnist_is_downloaded_into_the_cache_folder_if_it_is_nowhere(run, tmp_path):
    raw = DATA / "MNIST/raw"
    serve = functools.partial(http.server.SimpleHTTPRequestHandler, directory=raw)
    serve.func.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        mirror = MIRROR.format(f"http://127.0.0.1:{server.server_port}/")
        result = run(mirror + EXAMPLE + TELL, PROBNN_CHECKPOINTS=str(CHECKPOINTS))
        server.shutdown()
    assert worked(result)
    assert (tmp_path / "cache/probnn/data/MNIST/raw/t10k-images-idx3-ubyte").exists()


@pytest.mark.parametrize(
    "code, file",
    [
        (EXAMPLE, "MNIST/raw/train-images-idx3-ubyte.gz"),
        ("from probnn.data import load_xkcd\nload_xkcd()", "xkcd.csv"),
        ("from probnn.data import load_surnames\nload_surnames('test')", "surnames.csv.gz"),
    ],
)
def test_data_that_are_nowhere_are_one_clear_message(run, tmp_path, code, file):
    nowhere = MIRROR.format("http://127.0.0.1:9/")  # nobody listens there
    result = run(nowhere + code, PROBNN_CHECKPOINTS=str(CHECKPOINTS))
    last = result.stderr.strip().splitlines()[-1]
    assert f"DataError: {tmp_path / 'cache/probnn/data' / file}: expected a file, got none" in last
    assert "name that folder in PROBNN_DATA" in last and "git" not in last


def test_checkpoints_that_are_nowhere_are_one_clear_message(run, tmp_path):
    result = run(EXAMPLE, PROBNN_DATA=str(DATA))
    last = result.stderr.strip().splitlines()[-1]
    path = tmp_path / "cache/probnn/checkpoints/cambridge/c_autoencoder.pt"
    assert f"FileNotFoundError: expected a checkpoint at {path}, got no file" in last
    assert "PROBNN_CHECKPOINTS" in last
