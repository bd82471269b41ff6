"""Loads a file of weights into the same network in PyTorch, strictly, and runs it.

    python3 tests/python/load_state_dict.py best.safetensors [images.bin probs.bin]

The network is built like torchvision's VGGs, layer for layer, at the width of the file; at full width it is
torchvision's own class. With two more files it checks the program's answers against PyTorch's: `images.bin` has
normalised f32 images [N, C, H, W], `probs.bin` f32 probabilities [N, classes].
"""

import json
import struct
import sys
import tomllib

import torch
import torchvision
from safetensors.torch import load_file
from torch import nn

WIDTHS = [64, 128, 256, 512, 512]
CONVOLUTIONS = {11: [1, 1, 2, 2, 2], 13: [2, 2, 2, 2, 2], 16: [2, 2, 3, 3, 3], 19: [2, 2, 4, 4, 4]}


def metadata(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        return tomllib.loads(json.loads(file.read(length))["__metadata__"]["vgg_wgpu"])["model"]


def scaled(base, width):
    return max(1, int(base * width / 8 + 0.5)) * 8


def network(model):
    classes, channels = len(model["class_names"]), model["channels"]
    height, width_px = model["image_size"]
    if model["width"] == 1.0 and model["image_size"] == [224, 224] and model["hidden"] == 4096:
        net = torchvision.models.get_model(model["model"], num_classes=classes)
        if channels != 3:
            net.features[0] = nn.Conv2d(channels, 64, 3, padding=1)
        return net
    layers = []
    depth, _, batch_norm = model["model"].removeprefix("vgg").partition("_")
    for base, convolutions in zip(WIDTHS, CONVOLUTIONS[int(depth)]):
        for _ in range(convolutions):
            k = scaled(base, model["width"])
            norm = [nn.BatchNorm2d(k, eps=model["batch_norm_eps"])] if batch_norm else []
            layers += [nn.Conv2d(channels, k, 3, padding=1), *norm, nn.ReLU()]
            channels = k
        adaptive = model["pool_stride"] == "adaptive"
        stride = [1 if adaptive and side <= 3 else 2 for side in (height, width_px)]
        layers.append(nn.MaxPool2d(2, stride))
        height, width_px = [(side - 2) // s + 1 for side, s in zip((height, width_px), stride)]
    hidden, pooled = model["hidden"], model["avgpool"]
    avgpool = nn.AdaptiveAvgPool2d((pooled, pooled)) if pooled else nn.Identity()
    if pooled:
        height = width_px = pooled
    net = nn.Module()
    net.features = nn.Sequential(*layers)
    net.classifier = nn.Sequential(
        nn.Linear(channels * height * width_px, hidden), nn.ReLU(), nn.Dropout(),
        nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(),
        nn.Linear(hidden, classes),
    )  # fmt: skip
    net.forward = lambda x: net.classifier(torch.flatten(avgpool(net.features(x)), 1))
    return net


def main():
    path, *files = sys.argv[1:]
    model = metadata(path)
    net = network(model)
    state = load_file(path)
    net.load_state_dict(state, strict=True)
    counters = {int(v) for name, v in state.items() if name.endswith("num_batches_tracked")}
    print(f"{type(net).__module__}.{type(net).__name__}: {len(state)} tensors, strictly; batches tracked {counters}")
    if files:
        shape = [-1, model["channels"], *model["image_size"]]
        images = torch.frombuffer(bytearray(open(files[0], "rb").read()), dtype=torch.float32).reshape(shape)
        probs = torch.frombuffer(bytearray(open(files[1], "rb").read()), dtype=torch.float32)
        with torch.no_grad():
            expected = net.eval()(images).softmax(1).flatten()
        error = (probs - expected).abs().max().item()
        print(f"{len(images)} images: largest difference of a probability {error:.2e}")
        # f32 sums of up to 9 * 512 products in another order, through 16 layers.
        assert error <= 1e-4, "the answers differ"


if __name__ == "__main__":
    main()
