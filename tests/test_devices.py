"""The one setting of where everything lives, on this processor and on a device that is only pretended."""

import os
import subprocess
import sys
from textwrap import dedent

import pytest
import torch

from probnn import use_device
from probnn.devices import to_default_device


def run(code, environment):
    return subprocess.run([sys.executable, "-c", dedent(code)], env={**os.environ, **environment}, capture_output=True, text=True)


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


def test_tensors_are_found_however_deep():
    value = {"a": [torch.ones(2, device="meta"), 3, None], "b": (torch.ones(1, device="meta"), {"c": torch.ones(1, device="meta")}), "d": "text"}
    with torch.device("meta"):
        assert to_default_device(value)["b"][1]["c"].device.type == "meta"
    assert to_default_device({"a": [3, None], "d": "text"}) == {"a": [3, None], "d": "text"}


@pytest.mark.slow
def test_data_models_and_results_live_on_the_device_and_checkpoints_anywhere(pretended, tmp_path):
    if not pretended:
        pytest.skip("the pretended device needs Linux and a g++ that compiles it")
    environment = {**pretended, "PROBNN_CHECKPOINTS": str(tmp_path)}
    code = """
        import os
        import torch
        from probnn import *

        device = use_device()
        assert device.type == "pretended"
        x = load_mnist("test").images[:200]
        model = GaussianEncoder(BernoulliImageGenerator(d=2))
        tensors = [x, *load_xkcd(), load_surnames("test").percent, encode_names(["ABE"]), sample_train(2), *model.parameters()]
        assert all(t.device == device for t in tensors)
        optimizer, history, kept = torch.optim.Adam(model.parameters(), fused=True), [], []
        batches = enumerate_cycle(x, batch_size=50, epochs=1)
        print(resume("x.pt", model=model, optimizer=optimizer, batches=batches, history=history, kept=kept))
        with Interruptable() as check_interrupted:
            for _, imgs in batches:
                check_interrupted()
                bound = model.loglik_lb(imgs).mean()
                optimizer.zero_grad()
                (-bound).backward()
                optimizer.step()
                history.append(bound.item()), kept.append(bound.detach())
        scores = stored("y.pt", lambda: {"scores": over_batches(lambda x: log_marginal(model.f.loglik, x, model(x), 5).estimate, x)}, model=model)
        assert scores["scores"].device == device and load("x.pt")["kept"][0].device == device
        print(sum(history), scores["scores"].sum().item())
        loader = torch.utils.data.DataLoader(mnist_dataset(train=False), batch_size=100, shuffle=True)
        for _, (imgs, _) in enumerate_cycle(loader, epochs=1):
            break
        assert imgs.device.type == "cpu"
        try:
            model(x.cpu())
        except RuntimeError as error:
            print("refused", flush=True)
        os._exit(0)  # autograd's thread of a device may abort the end of Python
    """
    there = run(code, environment)
    assert there.stderr == "" and there.stdout.startswith("starts at epoch 0") and "refused" in there.stdout
    again = run(code, environment)  # from what was stored
    assert again.stdout.splitlines() == ["finished after 1 epochs, from x.pt, in progress", *there.stdout.splitlines()[1:]]
    here = run(code.replace('device.type == "pretended"', "True"), {"PROBNN_DEVICE": "cpu", "PROBNN_CHECKPOINTS": str(tmp_path)})
    assert here.stdout.splitlines()[:2] == again.stdout.splitlines()[:2]  # files do not know where they were made
