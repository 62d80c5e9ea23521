"""What a student sees in a browser: a notebook run, interrupted, resumed; and the web pages.

Needs the package playwright and a Chromium, which `.ci/run` installs; skipped where they are
missing. With PROBNN_SCREENSHOTS naming a folder, pictures of every stage are left there.
"""

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"
NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
STEP_BAR = re.compile(r"(\d+)/2700")

pytestmark = [
    pytest.mark.notebook,
    pytest.mark.skipif(
        importlib.util.find_spec("playwright") is None or CHROMIUM is None,
        reason="needs 'pip install playwright' and Chromium ('apt install chromium')",
    ),
]


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def look(tmp_path):
    """Takes a screenshot of a stage."""
    folder = Path(os.environ.get("PROBNN_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return lambda page, name: page.screenshot(path=folder / f"{name}.png")


@pytest.fixture
def lab(tmp_path):
    """JupyterLab with copies of the notebooks and no checkpoints; yields its address."""
    shutil.copytree(NOTEBOOKS, tmp_path / "notebooks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "jupyter",
        "lab",
        "--no-browser",
        "--allow-root",
        f"--port={port}",
        f"--ServerApp.root_dir={tmp_path / 'notebooks'}",
    ]
    for name, setting in (
        ("apputils-extension/notification", '{"fetchNews": "false"}'),
        ("notebook-extension/tracker", '{"windowingMode": "none"}'),
    ):
        # no question about news; cells out of sight stay on the page
        file = tmp_path / f"settings/@jupyterlab/{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(setting)
    settings = {
        "PROBNN_CHECKPOINTS": str(tmp_path / "checkpoints"),
        "HOME": str(tmp_path),
        "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"),
    }
    ours = {k: v for k, v in os.environ.items() if k not in ("PROBNN_HEADLESS", "MPLBACKEND")}
    with open(tmp_path / "lab.log", "w") as log:
        server = subprocess.Popen(
            [*command, "--IdentityProvider.token=", "--ServerApp.password="],
            env={**ours, **settings},
            stdout=log,
            stderr=log,
        )
        try:
            wait(lambda: answers(f"http://127.0.0.1:{port}/api"), 90, "JupyterLab to answer")
            yield f"http://127.0.0.1:{port}/lab/tree"
        finally:
            server.terminate()
            server.wait(timeout=30)


def answers(address):
    try:
        return urllib.request.urlopen(address, timeout=5).status == 200
    except OSError:
        return False


def wait(condition, seconds, what, page=None):
    patience = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < patience, f"waited {seconds} s for {what}"
        if page:  # goes on only while playwright is in charge
            page.wait_for_timeout(1000)
        else:
            time.sleep(0.3)


def changed(image):
    """A condition: whether the picture is another one than now."""
    before = image.get_attribute("src")
    return lambda: image.get_attribute("src") != before


def write_notebook(path, source):
    """A notebook of one cell."""
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)"}}
    cells = [nbformat.v4.new_code_cell(source)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)


class Notebook:
    """A notebook open in JupyterLab."""

    def __init__(self, page, address):
        self.page = page
        page.goto(address)
        page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=120_000)
        page.wait_for_selector(".jp-NotebookPanel-toolbar >> text=Python 3", timeout=60_000)
        idle = page.locator('[data-status="idle"]')
        wait(idle.count, 60, "the kernel to be idle", page)

    def cell(self, text):
        sources = self.page.locator(".jp-Notebook .jp-CodeCell .cm-content").all_text_contents()
        number = next(number for number, source in enumerate(sources) if text in source)
        # found once: to search all text again and again keeps the page busy
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(number)

    def run_all(self):
        self.page.click("text=Run >> nth=0")
        self.page.locator('.lm-Menu-item:has-text("Run All Cells")').first.click()

    def run(self, cell):
        cell.locator(".cm-content").first.click()
        self.page.keyboard.press("Control+Enter")

    def interrupt(self):
        command = '[data-command="notebook:interrupt-kernel"]'
        button = f'jp-button{command}, {command} button, button[title*="nterrupt"]'
        self.page.locator(button).first.click()

    def printed(self, cell):
        return "\n".join(cell.locator(".jp-OutputArea-output").all_text_contents())

    def prompt(self, cell):
        return cell.locator(".jp-InputPrompt").first.text_content()

    def step(self, cell):
        found = STEP_BAR.search(self.printed(cell))
        return int(found.group(1)) if found else 0


def test_training_is_run_interrupted_looked_at_and_resumed(browser, lab, look):
    page = browser.new_page(viewport={"width": 1300, "height": 1100})
    notebook = Notebook(page, f"{lab}/cambridge/c_autoencoder.ipynb")
    page.locator(".jp-Notebook").evaluate("notebook => notebook.scrollTop = 0")
    train = notebook.cell("check_interrupted()")
    later = notebook.cell('stored("cambridge/c_bounds.pt"')
    notebook.run_all()
    wait(lambda: notebook.step(train) > 0, 120, "the bar to move", page)
    train.scroll_into_view_if_needed()
    wait(lambda: train.locator("img").count(), 60, "the live figure", page)
    look(page, "1_training")

    refreshed, step = changed(train.locator("img").first), notebook.step(train)
    wait(refreshed, 60, "the figure to be refreshed", page)
    assert notebook.step(train) > step
    assert train.locator("img").count() == 1, "figures pile up"
    assert re.search(r"bound\s+-\d+", notebook.printed(train))

    notebook.interrupt()
    wait(
        lambda: "Interrupted before epoch 0, batch" in notebook.printed(train),
        30,
        "the interrupt to be told",
        page,
    )
    page.wait_for_timeout(2000)
    train.scroll_into_view_if_needed()
    look(page, "2_interrupted")
    printed = notebook.printed(train)
    assert "Traceback" not in printed and "KeyboardInterrupt" not in printed
    assert train.locator("img").count() == 1
    assert notebook.prompt(later) == "[ ]:", "a queued cell ran on"
    stopped = int(re.search(r"Interrupted before epoch 0, batch (\d+)", printed).group(1))
    page.wait_for_timeout(1500)
    assert notebook.step(train) <= stopped + 1, "training went on"

    inspect = notebook.cell("epoch_means = torch.tensor(history)")
    notebook.run(inspect)
    wait(
        lambda: re.match(r"\[\d+\]:", notebook.prompt(inspect)) and inspect.locator("img").count(),
        60,
        "the inspection cell",
        page,
    )
    inspect.scroll_into_view_if_needed()
    look(page, "3_inspected")

    notebook.run(train)
    wait(
        lambda: f"goes on at epoch 0, batch {stopped}" in notebook.printed(train),
        30,
        "training to go on",
        page,
    )
    wait(lambda: notebook.step(train) > stopped + 5, 60, "the bar to go on", page)
    train.scroll_into_view_if_needed()
    look(page, "4_resumed")
    notebook.interrupt()
    wait(
        lambda: "Interrupted before epoch" in notebook.printed(train),
        30,
        "the second interrupt",
        page,
    )
    again = re.search(r"Interrupted before epoch 0, batch (\d+)", notebook.printed(train))
    assert int(again.group(1)) > stopped
    page.close()


def test_the_latent_explorer_follows_its_sliders(browser, lab, look, tmp_path):
    source = (
        "import torch\n"
        "from probnn.display import explore\n"
        "from probnn.models import ConditionalBernoulliImageGenerator\n"
        "torch.manual_seed(0)\n"
        "model = ConditionalBernoulliImageGenerator(d=4)\n"
        # of one network in ten as it is born, the first steps of a slider change no grey level
        "for weight in model.parameters():\n"
        "    weight.data.mul_(3)\n"
        "explore(model, d=4, labels=10)"
    )
    write_notebook(tmp_path / "notebooks/explorer.ipynb", source)
    page = browser.new_page(viewport={"width": 1100, "height": 700})
    notebook = Notebook(page, f"{lab}/explorer.ipynb")
    notebook.run_all()
    page.wait_for_selector(".jupyter-widgets img", timeout=90_000)
    image, sliders = page.locator(".jupyter-widgets img").first, page.locator(".noUi-handle")
    assert sliders.count() == 5  # the label, and four dimensions of z
    for slider in (0, 1):
        follows = changed(image)
        sliders.nth(slider).focus()
        for _ in range(5):
            page.keyboard.press("ArrowRight")
        wait(follows, 60, "the image to follow", page)
    look(page, "5_explorer")
    page.close()


def test_a_digit_drawn_with_the_mouse_is_seen_through_the_models(browser, lab, look, tmp_path):
    for name in ("toronto/2_vae.pt", "cambridge/f_conditional.pt"):
        (tmp_path / "checkpoints" / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / "checkpoints" / name, tmp_path / "checkpoints" / name)
    source = (
        "from torch import nn\n"
        "from probnn import load, load_mnist\n"
        "from probnn.display import draw_digit\n"
        "from probnn.models import ConditionalBernoulliImageGenerator, ConditionalGaussianEncoder\n"
        "from probnn.models import every_label, expected_bottom, reconstruction\n"
        "from probnn.models import mlp_encoder, mlp_generator\n"
        "model = mlp_encoder(mlp_generator(2, (500,), nn.Tanh), (500,), nn.Tanh)\n"
        "model.load_state_dict(load('toronto/2_vae.pt')['model'])\n"
        "styled = ConditionalGaussianEncoder(ConditionalBernoulliImageGenerator(d=4))\n"
        "styled.load_state_dict(load('cambridge/f_conditional.pt')['model'])\n"
        "x = load_mnist('test').images[1:2]\n"  # a two, and a seven is drawn
        "draw_digit(reconstruction(model), x)\n"
        "draw_digit(expected_bottom(model.f), x, top_only=True)\n"
        "draw_digit(every_label(styled), x)"
    )
    write_notebook(tmp_path / "notebooks/pad.ipynb", source)
    page = browser.new_page(viewport={"width": 1100, "height": 1100})
    notebook = Notebook(page, f"{lab}/pad.ipynb")
    notebook.run_all()
    page.wait_for_selector(".jupyter-widgets canvas >> nth=2", timeout=90_000)
    images = page.locator(".jupyter-widgets img")
    for number in (0, 1, 2):
        canvas, follows = (
            page.locator(".jupyter-widgets canvas").nth(number),
            changed(images.nth(number)),
        )
        canvas.scroll_into_view_if_needed()
        # not shrunk beside a wide picture, once all is laid out
        wait(lambda c=canvas: c.bounding_box()["width"] > 275, 30, "the pad's whole width", page)
        box = canvas.bounding_box()
        corner = [(60, 60), (210, 60), (130, 230)]  # a seven
        page.mouse.move(box["x"] + corner[0][0], box["y"] + corner[0][1])
        page.mouse.down()
        for x, y in corner[1:]:
            page.mouse.move(box["x"] + x, box["y"] + y, steps=15)
        page.mouse.up()
        wait(follows, 60, "the model's view of the drawing", page)
        look(page, f"6_pad_{number}")
    page.wait_for_selector("text=taken for a 7", timeout=60_000)
    page.close()


def test_the_site_searches_shows_mathematics_and_answers_the_pointer_without_a_network(
    browser, look, tmp_path
):
    subprocess.run([sys.executable, "-m", "tools.site", tmp_path / "site"], cwd=ROOT, check=True)
    context = browser.new_context(offline=True, viewport={"width": 1200, "height": 1000})
    page, asked_for = context.new_page(), []
    page.on("request", lambda request: asked_for.append(request.url))
    page.goto((tmp_path / "site/index.html").as_uri())
    page.wait_for_url("**/docs/index.html", wait_until="load")  # the index leads there
    assert page.locator("a.entry").count() == len(list(NOTEBOOKS.glob("*/*.ipynb")))
    look(page, "7_first_page")
    page.click("article >> text=Cambridge (c)")
    page.wait_for_url("**/c_autoencoder.html", wait_until="load")
    formulas = page.locator("math")
    assert formulas.count() > 10 and formulas.first.bounding_box()["width"] > 10
    are_there = "images => images.map(image => image.naturalWidth > 0)"
    assert all(page.locator("article img").evaluate_all(are_there))
    deeper = page.locator("details.deeper")
    assert deeper.count() == 1 and deeper.get_attribute("open") is None
    look(page, "8_page")
    page.keyboard.press("Control+k")
    page.keyboard.type("annealed")
    page.keyboard.press("Enter")
    page.wait_for_selector("ul.search li >> text=Cambridge (e)", timeout=60_000)  # one by one

    page.goto((tmp_path / "site/notebooks/toronto/3_exploring.html").as_uri())
    plane, digit = (page.locator(".explore-plane canvas").nth(i) for i in (0, 1))
    page.wait_for_selector(".explore-plane >> text=z = (0.00, 0.00)", timeout=60_000)
    plane.scroll_into_view_if_needed()
    pictures = []
    for share in (0.2, 0.8):
        box = plane.bounding_box()
        page.mouse.move(box["x"] + share * box["width"], box["y"] + 0.5 * box["height"])
        pictures.append(digit.evaluate("canvas => canvas.toDataURL()"))
    assert pictures[0] != pictures[1]
    assert "z = (2.40, 0.0" in page.locator(".explore-plane").text_content()
    look(page, "9_plane")
    page.goto((tmp_path / "site/notebooks/oslo/3_2_optimisers.html").as_uri())
    page.locator(".explore-steps input").fill("2")
    page.wait_for_selector(".explore-steps >> text=step 20;", timeout=60_000)
    assert all(url.startswith(("file:", "data:")) for url in asked_for)
    context.close()
