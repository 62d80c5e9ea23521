"""A device that does not exist, for tests of what else would need a GPU.

Its memory is the processor's, and it computes there, but a tensor on the wrong device, a generator
of the wrong device, float64, and a conversion to numpy are the errors that they are on a GPU.
`build` compiles it; torch, when it is imported with the folder on its path, calls `register`.
"""

import subprocess
import sysconfig
import types
from pathlib import Path

HERE = Path(__file__).parent


def build(folder):
    """Compiles the device into the folder, which belongs on PYTHONPATH: torch then loads it."""
    from torch.utils.cpp_extension import include_paths, library_paths

    compiler = "g++ -O1 -std=c++20 -shared -fPIC".split()
    options = [f"-I{path}" for path in [*include_paths(), sysconfig.get_path("include")]]
    for path in library_paths():
        options += [f"-L{path}", f"-Wl,-rpath,{path}"]
    library = ["-ltorch_cpu", "-lc10", "-o", str(folder / "pretended.so")]
    subprocess.run([*compiler, str(HERE / "pretended.cpp"), *options, *library], check=True)
    (folder / "pretended_device.py").write_text(Path(__file__).read_text())
    information = folder / "pretended_device-1.dist-info"
    information.mkdir()
    metadata = "Metadata-Version: 2.1\nName: pretended-device\nVersion: 1\n"
    (information / "METADATA").write_text(metadata)
    entry = "[torch.backends]\npretended = pretended_device:register\n"
    (information / "entry_points.txt").write_text(entry)


def register():
    import torch

    torch.ops.load_library(HERE / "pretended.so")
    torch.utils.rename_privateuse1_backend("pretended")
    module = types.ModuleType("torch.pretended")
    module.is_available, module.is_initialized, module._is_in_bad_fork = (
        lambda: True,
        lambda: True,
        lambda: False,
    )
    module.device_count, module.current_device = lambda: 1, lambda: 0
    module.manual_seed = module.manual_seed_all = lambda seed: None
    module._lazy_init = lambda: None
    torch._register_device_module("pretended", module)
    torch.utils.generate_methods_for_privateuse1_backend()
