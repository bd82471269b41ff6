#!/usr/bin/env python3
"""Training steps of the CPU executor against PyTorch's, in alternation, on the same network and batch.

    pip install torch
    python3 scripts/compare_cpu.py [--rounds 7] [--steps 5] [--threads N] [--cpu-time]

A step is forward, backward and Adam (PyTorch: eager, channels_last where that is faster, foreach Adam). Prints the
median images per second of both and the median of the ratios of neighbouring runs, which noise of the machine
touches least. With --cpu-time both run on one thread and the processor time counts, which other processes
disturb less (Linux). Where ours is slower the ratio is below 1.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import time

import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent
WIDTHS = [(64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)]
CASES = [
    ("full width, batch 64", 1.0, 4096, 64),
    ("full width, batch 16", 1.0, 4096, 16),
    ("quarter width, FC 512, batch 64", 0.25, 512, 64),
]


def vgg(width, hidden, side=28):
    layers, channels = [], 1
    for block in WIDTHS:
        for base in block:
            out = int(base * width)
            layers += [torch.nn.Conv2d(channels, out, 3, padding=1), torch.nn.BatchNorm2d(out), torch.nn.ReLU(inplace=True)]
            channels = out
        stride = 1 if side <= 3 else 2
        layers.append(torch.nn.MaxPool2d(2, stride))
        side = (side - 2) // stride + 1
    return torch.nn.Sequential(
        *layers, torch.nn.Flatten(),
        torch.nn.Linear(channels * side * side, hidden), torch.nn.ReLU(inplace=True), torch.nn.Dropout(0.5),
        torch.nn.Linear(hidden, hidden), torch.nn.ReLU(inplace=True), torch.nn.Dropout(0.5),
        torch.nn.Linear(hidden, 10))


class Pytorch:
    def __init__(self, width, hidden, batch, channels_last):
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        self.model = vgg(width, hidden).to(memory_format=self.format).train()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        self.images = torch.randint(0, 256, (batch, 1, 28, 28), dtype=torch.uint8)
        self.labels = torch.randint(0, 10, (batch,))
        self.batch = batch

    def step(self, cpu_time):
        clock = time.process_time if cpu_time else time.perf_counter
        start = clock()
        images = ((self.images.float() / 255 - 0.1307) / 0.3081).contiguous(memory_format=self.format)
        self.optimizer.zero_grad()
        torch.nn.functional.cross_entropy(self.model(images), self.labels).backward()
        self.optimizer.step()
        return self.batch / (clock() - start)


class Executor:
    def __init__(self, binary, width, hidden, batch, threads):
        arguments = ["--batch", batch, "--width", width, "--hidden", hidden, "--serve"]
        self.batch = batch
        self.process = subprocess.Popen(
            [binary, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"RAYON_NUM_THREADS": str(threads)})

    def cpu_seconds(self):
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def step(self, cpu_time):
        start = self.cpu_seconds() if cpu_time else 0
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        speed = float(self.process.stdout.readline())
        return self.batch / (self.cpu_seconds() - start) if cpu_time else speed

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def binary():
    """Builds the benchmark and returns its path."""
    build = subprocess.run(
        ["cargo", "bench", "--bench", "cpu_step", "--no-run"], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    if build.returncode:
        raise SystemExit(build.stderr)
    path = build.stderr.rsplit("(", 1)[1].split(")")[0]
    return ROOT / path


def turn(machine, options):
    """The speed of consecutive steps, as in a training. The pause lets the other side's idle threads stop spinning,
    and the first step, which is not counted, brings the caches and threads back."""
    time.sleep(0.3)
    machine.step(options.cpu_time)
    return statistics.median(machine.step(options.cpu_time) for _ in range(options.steps))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=5, help="timed steps in each side's turn")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--cpu-time", action="store_true")
    options = parser.parse_args()
    if options.cpu_time:
        options.threads = 1
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    path = binary()
    clock = "processor time" if options.cpu_time else "wall time"
    print(f"PyTorch {torch.__version__}, {options.threads} threads, {options.rounds} rounds, {clock}; images/s")
    print(f"{'':33} {'ours':>9} {'PyTorch':>9} {'NHWC':>9}  ratio to the faster (worst to best)")
    for name, width, hidden, batch in CASES:
        ours = Executor(path, width, hidden, batch, options.threads)
        ours.step(False)
        theirs = [Pytorch(width, hidden, batch, channels_last) for channels_last in (False, True)]
        rows = []
        for round in range(-1, options.rounds):
            row = [turn(machine, options) for machine in (ours, *theirs)]
            if round >= 0:
                rows.append(row)
        ours.close()
        medians = [statistics.median(column) for column in zip(*rows)]
        ratios = sorted(a / max(b, c) for a, b, c in rows)
        speeds = " ".join(f"{m:9.1f}" for m in medians)
        print(f"{name:33} {speeds}  {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})", flush=True)


main()
