"""The setting of where everything lives, on this processor and on a device that is pretended."""

import os
import subprocess
import sys
from textwrap import dedent

import pytest
import torch

from probnn.runtime import use_device
from probnn.runtime.devices import default_device, to_default_device


def run(code, environment):
    environment = {**os.environ, **environment}
    command = [sys.executable, "-c", dedent(code)]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_on_a_processor_nothing_changes(monkeypatch):
    monkeypatch.delenv("PROBNN_DEVICE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch, "set_default_device", lambda device: pytest.fail("it has been set"))
    assert use_device() == use_device("cpu") == torch.device("cpu")


def test_a_device_that_is_not_here_is_a_clear_error(monkeypatch):
    with pytest.raises(ValueError, match="expected a device that is here, such as .*, got 'gpu'"):
        use_device("gpu")
    monkeypatch.setenv("PROBNN_DEVICE", "elsewhere")
    with pytest.raises(ValueError, match="got 'elsewhere'"):
        use_device()


def test_the_default_device_is_that_of_a_new_tensor_also_within_a_block():
    assert default_device() == torch.device("cpu")
    with torch.device("meta"):
        assert default_device() == torch.device("meta")


def test_tensors_are_found_however_deep():
    value = {
        "a": [torch.ones(2, device="meta"), 3, None],
        "b": (torch.ones(1, device="meta"), {"c": torch.ones(1, device="meta")}),
        "d": "text",
    }
    with torch.device("meta"):
        assert to_default_device(value)["b"][1]["c"].device.type == "meta"
    assert to_default_device({"a": [3, None], "d": "text"}) == {"a": [3, None], "d": "text"}


TRAINING = """
    import os
    import torch
    from probnn.data import load_mnist, load_surnames, load_xkcd, mnist_dataset, sample_train
    from probnn.inference import log_marginal, over_batches
    from probnn.models import BernoulliImageGenerator, GaussianEncoder, encode_names
    from probnn.runtime import use_device
    from probnn.training import Interruptable, enumerate_cycle, load, resume, stored

    device = use_device()
    assert device.type == "pretended"
    x = load_mnist("test").images[:200]
    model = GaussianEncoder(BernoulliImageGenerator(d=2))
    tensors = [x, *load_xkcd(), load_surnames("test").percent, encode_names(["ABE"])]
    tensors += [sample_train(2), *sample_train(2, return_labels=True), *model.parameters()]
    assert all(t.device == device for t in tensors)
    optimizer, history, kept = torch.optim.Adam(model.parameters(), fused=True), [], []
    batches = enumerate_cycle(x, batch_size=50, epochs=1)
    parts = dict(model=model, optimizer=optimizer, history=history, kept=kept)
    print(resume("x.pt", batches=batches, **parts))
    with Interruptable() as check_interrupted:
        for _, imgs in batches:
            check_interrupted()
            bound = model.loglik_lb(imgs).mean()
            optimizer.zero_grad()
            (-bound).backward()
            optimizer.step()
            history.append(bound.item()), kept.append(bound.detach())

    def log_p(x):
        return log_marginal(model.f.loglik, x, model(x), 5).estimate

    scores = stored("y.pt", lambda: {"scores": over_batches(log_p, x)}, model=model)["scores"]
    assert scores.device == device and load("x.pt")["kept"][0].device == device
    print(sum(history), scores.sum().item())
    loader = torch.utils.data.DataLoader(mnist_dataset(train=False), batch_size=9, shuffle=True)
    for _, (imgs, _) in enumerate_cycle(loader, epochs=1):
        break
    assert imgs.device.type == "cpu"
    try:
        model(x.cpu())
    except RuntimeError as error:
        print("refused", flush=True)
    os._exit(0)  # autograd's thread of a device may abort the end of Python
"""


@pytest.mark.slow
def test_data_models_and_results_live_on_the_device_and_checkpoints_anywhere(pretended, tmp_path):
    if not pretended:
        pytest.skip("the pretended device needs Linux and a g++ that compiles it")
    folder = {"PROBNN_CHECKPOINTS": str(tmp_path)}
    there = run(TRAINING, {**pretended, **folder})
    assert there.stderr == ""
    assert there.stdout.startswith("starts at epoch 0") and "refused" in there.stdout
    again = run(TRAINING, {**pretended, **folder}).stdout.splitlines()  # from what was stored
    assert again[0] == "finished after 1 epochs, from x.pt, in progress"
    assert again[1:] == there.stdout.splitlines()[1:]
    anywhere = TRAINING.replace('device.type == "pretended"', "True")
    here = run(anywhere, {"PROBNN_DEVICE": "cpu", **folder}).stdout.splitlines()
    assert here[:2] == again[:2]  # files do not know where they were made
