"""VGG16 with batch norm in PyTorch, for `scripts/compare`, which says when to take how many steps.

The network, the batch and the optimiser are those of `vgg train`. The data file holds batch * 28 * 28 bytes of images,
then `batch` labels; each step sends them as bytes, resizes and normalises on the device. Prints a JSON object once the
first step is done; then each line `N` on standard input runs N steps, waits for the device and prints one more.

Modes: f32 (convolutions in full f32, TF32 off), tf32 (TF32 on), amp (f16 autocast, channels last, GradScaler),
channels_last (as f32, channels last). cudnn.benchmark is on.
"""

import argparse
import json
import resource
import sys
import time

import torch
from torch.nn import functional

BLOCKS = [(64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)]


def vgg(side, width, hidden):
    layers, channels = [], 1
    for block in BLOCKS:
        for base in block:
            out = int(base * width)
            convolution = torch.nn.Conv2d(channels, out, 3, padding=1)
            torch.nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
            layers += [convolution, torch.nn.BatchNorm2d(out), torch.nn.ReLU(inplace=True)]
            channels = out
        stride = 1 if side <= 3 else 2  # the paper's adaptive stride
        layers.append(torch.nn.MaxPool2d(2, stride))
        side = (side - 2) // stride + 1
    layers.append(torch.nn.Flatten())
    for inputs in (channels * side * side, hidden):
        layers += [linear(inputs, hidden), torch.nn.ReLU(inplace=True), torch.nn.Dropout(0.5)]
    return torch.nn.Sequential(*layers, linear(hidden, 10))


def linear(inputs, outputs):
    layer = torch.nn.Linear(inputs, outputs)
    torch.nn.init.normal_(layer.weight, 0, 0.01)
    torch.nn.init.zeros_(layer.bias)
    return layer


class Training:
    def __init__(self, options):
        self.device = torch.device("cuda" if options.device == "cuda" else "cpu")
        self.side, self.mode = options.side, options.mode
        self.format = torch.channels_last if options.mode in ("amp", "channels_last") else torch.contiguous_format
        self.model = vgg(options.side, options.width, options.hidden).to(self.device, memory_format=self.format).train()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=3e-4)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=options.mode == "amp")
        with open(options.data, "rb") as file:
            data = torch.frombuffer(bytearray(file.read()), dtype=torch.uint8)
        images, labels = data.split([options.batch * 28 * 28, options.batch])
        self.images, self.labels = images.reshape(-1, 1, 28, 28), labels.long()
        if self.device.type == "cuda":
            self.images, self.labels = self.images.pin_memory(), self.labels.pin_memory()

    def step(self):
        images = self.images.to(self.device, non_blocking=True).float()
        labels = self.labels.to(self.device, non_blocking=True)
        if self.side != 28:
            images = functional.interpolate(images, size=(self.side, self.side), mode="bilinear", align_corners=False)
        images = ((images / 255 - 0.1307) / 0.3081).contiguous(memory_format=self.format)
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, dtype=torch.float16, enabled=self.mode == "amp"):
            loss = functional.cross_entropy(self.model(images), labels)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss

    def wait(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def turn(self, steps):
        self.wait()
        start = time.perf_counter()
        for _ in range(steps):
            loss = self.step()
        self.wait()
        seconds = time.perf_counter() - start
        if self.device.type == "cuda":
            memory = torch.cuda.max_memory_allocated()
        else:
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return {"seconds": seconds, "loss": loss.item(), "memory_bytes": memory}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", choices=["cpu", "cuda"], required=True)
    parser.add_argument("--mode", choices=["f32", "tf32", "amp", "channels_last"], required=True)
    parser.add_argument("--threads", type=int, required=True)
    for name in ("side", "batch", "hidden"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--width", type=float, required=True)
    parser.add_argument("--data", required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = options.mode in ("tf32", "amp")
    torch.backends.cuda.matmul.allow_tf32 = options.mode in ("tf32", "amp")
    training = Training(options)
    device = torch.cuda.get_device_name() if options.device == "cuda" else f"CPU, {options.threads} threads"
    parameters = sum(parameter.numel() for parameter in training.model.parameters())
    first = training.turn(1)
    print(json.dumps({"device": device, "parameters": parameters, "version": torch.__version__} | first), flush=True)
    for line in sys.stdin:
        print(json.dumps(training.turn(int(line))), flush=True)


main()
