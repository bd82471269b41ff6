"""The accuracy of weights on MNIST's test images in PyTorch, and of ONNX files in onnxruntime.

    python3 tests/python/accuracy.py weights.safetensors [network.onnx ...]

Prints one line a file: images, correct answers, mean loss. The images are resized to the network's size as the program
does it (bilinear, pixel centres aligned).
"""

import gzip
import pathlib
import sys

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from load_state_dict import metadata, network
from safetensors.torch import load_file

MNIST = pathlib.Path(__file__).parents[2] / "assets/mnist"


def idx(name, skip):
    with gzip.open(MNIST / name) as file:
        return np.frombuffer(file.read(), dtype=np.uint8, offset=skip).copy()


def main():
    path, *onnx = sys.argv[1:]
    model = metadata(path)
    images = torch.from_numpy(idx("t10k-images-idx3-ubyte.gz", 16)).view(-1, 1, 28, 28).float() / 255
    labels = torch.from_numpy(idx("t10k-labels-idx1-ubyte.gz", 8)).long()
    if model["image_size"] != [28, 28]:
        images = F.interpolate(images, model["image_size"], mode="bilinear", align_corners=False)
    images = (images - model["mean"][0]) / model["std"][0]

    net = network(model)
    net.load_state_dict({name: value.float() if value.is_floating_point() else value
                         for name, value in load_file(path).items()}, strict=True)
    net.eval()

    def report(name, run):
        with torch.no_grad():
            logits = torch.cat([run(batch) for batch in images.split(500)])
        correct = (logits.argmax(1) == labels).sum().item()
        print(f"{name}: {len(images)} images, {correct} correct, loss {F.cross_entropy(logits, labels).item():.6f}")
        return logits

    expected = report(f"PyTorch {torch.__version__} {path}", net)
    for file in onnx:
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        run = lambda batch: torch.from_numpy(session.run(["logits"], {"input": batch.numpy()})[0])
        logits = report(f"onnxruntime {onnxruntime.__version__} {file}", run)
        error = (logits - expected).abs().max().item()
        print(f"  largest difference of a logit from PyTorch's: {error:.2e}")


main()
