"""Runs the Python of the model card in a folder of `vgg export --format hub`, and compares its models with the program.

    python3 tests/python/hub.py FOLDER images.bin log_probs.bin

`images.bin` has normalised f32 images [N, C, H, W], `log_probs.bin` the program's logarithms of probabilities.
"""

import json
import os
import re
import sys

import torch

images, expected = (torch.frombuffer(bytearray(open(path, "rb").read()), dtype=torch.float32) for path in sys.argv[2:])
os.chdir(sys.argv[1])
config = json.load(open("config.json"))
shape = config.get("pretrained_cfg", config)["input_size"]
blocks = re.findall(r"```python\n(.*?)```", open("README.md").read(), re.S)
for block in blocks:
    names = {}
    exec(block, names)
    with torch.no_grad():
        found = names["model"](images.reshape(-1, *shape)).log_softmax(1).flatten()
    spread = (expected.max() - expected.min()).item()
    error = (found - expected).abs().max().item()
    print(f"{type(names['model']).__module__}: largest difference {error:.2e} of values that spread over {spread:.2f}")
    # f32 sums of up to 25,088 products in another order, and logarithms of f32 probabilities.
    assert error <= 1e-4 * max(spread, 1.0), "the answers differ"
    assert spread > 0.5, "all answers are alike"
assert blocks, "no Python"
if "architecture" in config:
    assert len(blocks) == 2
    import timm

    model = timm.create_model("local-dir:.", pretrained=True)
    assert model.pretrained_cfg["label_names"] == config["label_names"]
    data = timm.data.resolve_model_data_config(model)
    assert list(data["input_size"]) == shape and list(data["mean"]) == config["pretrained_cfg"]["mean"], data
