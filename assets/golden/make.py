#!/usr/bin/env python3
"""Writes the golden vectors of tests/cpu/golden/: what PyTorch computes, in float64.

    pip install torch safetensors numpy
    python3 assets/golden/make.py

Everything is in the layout of the operations: activations [N, H, W, C], convolution weights [R, S, C, K],
linear weights [out, in]. Tensors are named <case>.<operand>; the operands' shapes define the case.
`network.safetensors` has one training step of a small VGG16 under torchvision's names and in torchvision's
layout instead; it is rounded to float32 to stay small, and its inputs are exact in float32. `training.safetensors`
has twenty steps from there with all that a step can have, and `optimizers.safetensors` twenty of a softmax
regression for each optimiser and each option next to it; `schedules.safetensors` has learning rates.
`standard.safetensors` has the gradients of a small VGG11 without batch norm and with adaptive average pooling likewise, and
`rounded.safetensors` those with the roundings of quantisation-aware training.
"""

import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file, save_file

HERE = pathlib.Path(__file__).parent
torch.set_default_dtype(torch.float64)
torch.manual_seed(20240607)


def f32(value):
    """A Python float that is exact in float32, as the attributes of the operations are."""
    return float(np.float32(value))


def nhwc(t):
    return t.detach().permute(0, 2, 3, 1)


def rsck(t):
    return t.detach().permute(2, 3, 1, 0)


def save(name, tensors):
    arrays = {}
    for key, value in tensors.items():
        value = value.detach().contiguous().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
        arrays[key] = np.ascontiguousarray(value)
    save_file(arrays, HERE / f"{name}.safetensors")


def randn(*shape):
    """Normal values that are exact in float32, so that float32 can be tested with the same inputs."""
    return torch.randn(*shape).float().double()


def leaf(*shape):
    return randn(*shape).requires_grad_()


def conv():
    out = {}
    for n, h, w, c, k in [(2, 5, 4, 3, 6), (1, 1, 1, 1, 4), (2, 7, 9, 8, 5), (1, 1, 6, 2, 3), (1, 28, 28, 1, 8)]:
        x, weight, bias = leaf(n, c, h, w), leaf(k, c, 3, 3), leaf(k)
        y = F.conv2d(x, weight, bias, padding=1)
        dy = randn(*y.shape)
        y.backward(dy)
        case = f"{n}x{h}x{w}x{c}x{k}"
        out |= {
            f"{case}.input": nhwc(x), f"{case}.weight": rsck(weight), f"{case}.bias": bias,
            f"{case}.output": nhwc(y), f"{case}.grad_output": nhwc(dy), f"{case}.grad_input": nhwc(x.grad),
            f"{case}.grad_weight": rsck(weight.grad), f"{case}.grad_bias": bias.grad,
        }
    save("conv", out)


def batch_norm():
    out = {}
    eps, momentum = f32(1e-5), f32(0.1)
    cases = {
        "plain": randn(3, 6, 4, 5) * 2 + 1,
        "large_mean": (randn(4, 3, 5, 5) + 1000).float().double(),
        "equal": torch.full((2, 4, 3, 3), 2.5),
        "one_row": randn(1, 5, 1, 1),
    }
    for case, x in cases.items():
        c = x.shape[1]
        x.requires_grad_()
        gamma, beta = leaf(c), leaf(c)
        running_mean, running_var = randn(c), (torch.rand(c) + 0.5).float().double()
        out |= {f"{case}.running_mean": running_mean.clone(), f"{case}.running_var": running_var.clone()}
        evaluated = F.batch_norm(x, running_mean, running_var, gamma, beta, False, momentum, eps)
        # The paper's layer: the biased variance normalises and enters the running estimate.
        mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
        column = lambda t: t.view(1, -1, 1, 1)
        y = column(gamma) * (x - column(mean)) / torch.sqrt(column(var) + eps) + column(beta)
        out[f"{case}.biased_mean"] = (1 - momentum) * running_mean + momentum * mean
        out[f"{case}.biased_var"] = (1 - momentum) * running_var + momentum * var
        if case != "one_row":
            pytorch = F.batch_norm(x, running_mean, running_var, gamma, beta, True, momentum, eps)
            assert torch.allclose(pytorch, y, rtol=1e-9, atol=1e-9)
            y = pytorch
            out |= {f"{case}.unbiased_mean": running_mean, f"{case}.unbiased_var": running_var}
        dy = randn(*y.shape)
        y.backward(dy)
        out |= {
            f"{case}.input": nhwc(x), f"{case}.gamma": gamma, f"{case}.beta": beta, f"{case}.mean": mean,
            f"{case}.variance": var, f"{case}.output": nhwc(y), f"{case}.evaluated": nhwc(evaluated),
            f"{case}.grad_output": nhwc(dy), f"{case}.grad_input": nhwc(x.grad),
            f"{case}.grad_gamma": gamma.grad, f"{case}.grad_beta": beta.grad,
        }
    save("batch_norm", out)


def relu():
    out = {}
    x = torch.tensor([0.0, -0.0, 1.5, -2.0, 1e-300, -1e-300, float("inf"), float("-inf")])
    for case, function in {"pytorch": F.relu, "paper": lambda x: torch.max(x, torch.zeros_like(x))}.items():
        leaf_x = x.clone().requires_grad_()
        y = function(leaf_x)
        dy = randn(*y.shape)
        y.backward(dy)
        out |= {f"{case}.input": x, f"{case}.output": y, f"{case}.grad_output": dy, f"{case}.grad_input": leaf_x.grad}
    save("relu", out)


def max_pool():
    out = {}
    cases = {"even": (2, 6, 4, 3, 2, 2), "odd": (2, 7, 5, 4, 2, 2), "overlap": (2, 3, 3, 5, 1, 1),
             "mixed": (1, 3, 4, 2, 1, 2), "ties": (2, 6, 6, 3, 1, 1), "one": (1, 2, 2, 1, 2, 2)}
    for case, (n, h, w, c, *stride) in cases.items():
        x = torch.randint(-2, 3, (n, c, h, w)).double() if case == "ties" else randn(n, c, h, w)
        x.requires_grad_()
        y, argmax = F.max_pool2d(x, 2, stride, return_indices=True)
        dy = randn(*y.shape)
        y.backward(dy)
        out |= {
            f"{case}.stride": np.array(stride, dtype=np.uint32), f"{case}.input": nhwc(x),
            f"{case}.output": nhwc(y), f"{case}.argmax": nhwc(argmax).numpy().astype(np.uint32),
            f"{case}.grad_output": nhwc(dy), f"{case}.grad_input": nhwc(x.grad),
        }
    save("max_pool", out)


def avg_pool():
    out = {}
    cases = {"same": (1, 3, 2, 2, 3, 2), "divides": (2, 6, 4, 3, 3, 2), "overlaps": (2, 5, 9, 4, 2, 7), "repeats": (1, 1, 2, 3, 7, 3),
             "one": (2, 3, 4, 1, 1, 1)}
    for case, (n, h, w, c, *size) in cases.items():
        x = leaf(n, c, h, w)
        y = F.adaptive_avg_pool2d(x, size)
        dy = randn(*y.shape)
        y.backward(dy)
        out |= {f"{case}.input": nhwc(x), f"{case}.output": nhwc(y), f"{case}.grad_output": nhwc(dy),
                f"{case}.grad_input": nhwc(x.grad)}
    save("avg_pool", out)


def linear():
    out = {}
    for n, inputs, outputs in [(3, 7, 5), (1, 1, 1), (4, 33, 17)]:
        x, weight, bias = leaf(n, inputs), leaf(outputs, inputs), leaf(outputs)
        y = F.linear(x, weight, bias)
        dy = randn(*y.shape)
        y.backward(dy)
        case = f"{n}x{inputs}x{outputs}"
        out |= {
            f"{case}.input": x, f"{case}.weight": weight, f"{case}.bias": bias, f"{case}.output": y,
            f"{case}.grad_output": dy, f"{case}.grad_input": x.grad, f"{case}.grad_weight": weight.grad,
            f"{case}.grad_bias": bias.grad,
        }
    save("linear", out)


def cross_entropy():
    out = {}
    for case, n, classes, valid, scale in [("plain", 5, 10, 5, 1), ("padded", 6, 4, 4, 3), ("large", 3, 3, 3, 500)]:
        logits = (randn(n, classes) * scale).float().double().requires_grad_()
        labels = torch.randint(0, classes, (n,))
        loss = F.cross_entropy(logits, labels, reduction="none")
        loss[:valid].mean().backward()
        probs = F.softmax(logits, dim=1)
        correct = (probs.argmax(1) == labels)[:valid].sum()
        out |= {
            f"{case}.logits": logits, f"{case}.labels": labels.numpy().astype(np.uint32), f"{case}.loss": loss,
            f"{case}.probs": probs, f"{case}.grad_logits": logits.grad,
            f"{case}.metrics": torch.tensor([float(loss[:valid].sum().detach()), float(correct), float(valid), 0.0]),
        }
    save("cross_entropy", out)


def adam():
    out = {}
    lr, betas, eps = f32(1e-3), (f32(0.9), f32(0.999)), f32(1e-8)
    for case, decay in [("plain", 0.0), ("decay", f32(0.01))]:
        parameter = leaf(37)
        optimizer = torch.optim.Adam([parameter], lr=lr, betas=betas, eps=eps, weight_decay=decay)
        out[f"{case}.parameter.0"] = parameter.detach().clone()
        for step in range(1, 6):
            # From tiny to large, and one that is always 0.
            parameter.grad = (randn(37) * 10.0 ** torch.linspace(-9, 3, 37)).float().double()
            parameter.grad[5] = 0
            out[f"{case}.gradient.{step}"] = parameter.grad.clone()
            optimizer.step()
            state = optimizer.state[parameter]
            out |= {f"{case}.parameter.{step}": parameter.detach().clone(), f"{case}.m.{step}": state["exp_avg"].clone(),
                    f"{case}.v.{step}": state["exp_avg_sq"].clone()}
    save("adam", out)


def prepare():
    out = {}
    cases = {"same": (2, 28, 28, 1, 28, 28), "up": (1, 9, 7, 3, 20, 23), "down": (2, 28, 20, 1, 9, 11)}
    for case, (n, h, w, c, oh, ow) in cases.items():
        images = torch.randint(0, 256, (n, c, h, w), dtype=torch.uint8)
        mean, std = [f32(0.1307), f32(0.456), f32(0.406)][:c], [f32(0.3081), f32(0.224), f32(0.225)][:c]
        normalise = lambda t: (t - torch.tensor(mean).view(1, -1, 1, 1)) / torch.tensor(std).view(1, -1, 1, 1)
        resized = F.interpolate(images.double() / 255, (oh, ow), mode="bilinear", align_corners=False)
        # Rotation about the centre, and a shift; some positions are outside the image.
        transforms = torch.stack([
            torch.tensor([np.cos(a), -np.sin(a), 1.7 * i + 0.4, np.sin(a), np.cos(a), -0.9 - i])
            for i, a in enumerate([0.17, -0.4][:n])]).float().double()
        y = ((torch.arange(oh) + 0.5) * h / oh - 0.5).clamp(0, h - 1).view(-1, 1).expand(oh, ow)
        x = ((torch.arange(ow) + 0.5) * w / ow - 0.5).clamp(0, w - 1).view(1, -1).expand(oh, ow)
        points = torch.stack([x, y, torch.ones_like(x)], -1)
        moved = torch.einsum("hwi,nji->nhwj", points, transforms.view(n, 2, 3))
        grid = moved / torch.tensor([w - 1.0, h - 1.0]) * 2 - 1
        sampled = F.grid_sample(images.double() / 255, grid, mode="bilinear", padding_mode="zeros", align_corners=True)
        out |= {
            f"{case}.images": nhwc(images), f"{case}.transforms": transforms, f"{case}.mean": np.float32(mean),
            f"{case}.std": np.float32(std), f"{case}.resized": nhwc(normalise(resized)),
            f"{case}.moved": nhwc(normalise(sampled)),
        }
    save("prepare", out)


def philox4x32(counter, key):
    """Philox4x32-10 of Salmon et al. (2011), written from the paper."""
    c, k, mask = list(counter), list(key), 0xFFFFFFFF
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & mask, (a >> 32) ^ c[3] ^ k[1], a & mask]
        k = [(k[0] + 0x9E3779B9) & mask, (k[1] + 0xBB67AE85) & mask]
    return c


def dropout():
    out = {}
    for case, seed, step, layer, rate, offset, count in [
        ("half", 77, 1, 0, 0.5, 0, 1030), ("fifth", 0x0123456789ABCDEF, 4_000_000_000, 1, 0.2, 4096, 999)]:
        threshold = int(f32(rate) * 2**32)
        kept = []
        for i in range(offset, offset + count):
            words = philox4x32([i // 4, step, 0x44524F50, layer], [seed & 0xFFFFFFFF, seed >> 32])
            kept.append(words[i % 4] >= threshold)
        out[f"{case}.kept"] = np.array(kept, dtype=np.uint8)
        out[f"{case}.attributes"] = np.array([seed & 0xFFFFFFFF, seed >> 32, step, layer, offset], dtype=np.uint32)
        out[f"{case}.rate"] = np.array([rate], dtype=np.float32)
    save("dropout", out)


class Vgg(torch.nn.Module):
    """VGG16 with batch normalisation, a sixteenth wide, with the adaptive stride; torchvision's names."""

    def __init__(self, widths, hidden, classes):
        super().__init__()
        layers, channels = [], 1
        side = 28
        for block in widths:
            for width in block:
                layers += [torch.nn.Conv2d(channels, width, 3, padding=1), torch.nn.BatchNorm2d(width), torch.nn.ReLU()]
                channels = width
            stride = 1 if side <= 3 else 2
            layers.append(torch.nn.MaxPool2d(2, stride))
            side = (side - 2) // stride + 1
        self.features = torch.nn.Sequential(*layers)
        drop = lambda: torch.nn.Dropout(0.0)
        self.classifier = torch.nn.Sequential(
            torch.nn.Linear(channels * side * side, hidden), torch.nn.ReLU(), drop(),
            torch.nn.Linear(hidden, hidden), torch.nn.ReLU(), drop(), torch.nn.Linear(hidden, classes))

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


def network():
    lr, betas, eps = f32(1e-3), (f32(0.9), f32(0.999)), f32(1e-8)
    model = Vgg([(8, 8), (8, 8), (16, 16, 16), (32, 32, 32), (32, 32, 32)], 16, 10)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            # Other than the defaults, so that a mix-up shows.
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.2)
            module.eps, module.momentum = f32(1e-5), f32(0.1)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(tensor.float().double())
    images = torch.randint(0, 256, (6, 1, 28, 28), dtype=torch.uint8)
    labels = torch.randint(0, 10, (6,))
    out = {"images": nhwc(images), "labels": labels.numpy().astype(np.uint32)}
    single = lambda t: t.detach().float().clone()
    keep = lambda prefix: out.update(
        {f"{prefix}.{k}": single(v) for k, v in model.state_dict().items() if v.is_floating_point()})
    keep("before")
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, betas=betas, eps=eps)
    model.train()
    loss = F.cross_entropy(model((images.double() / 255 - f32(0.1307)) / f32(0.3081)), labels)
    loss.backward()
    optimizer.step()
    out["loss"] = loss.detach().view(1)
    out |= {f"grad.{k}": single(p.grad) for k, p in model.named_parameters()}
    keep("after")
    model.eval()
    out["evaluated_loss"] = F.cross_entropy(
        model((images.double() / 255 - f32(0.1307)) / f32(0.3081)), labels).detach().view(1)
    save("network", out)


def margin(layers, x):
    """The distance of the activations of x from the nearest kink, where the gradient jumps: a ReLU's 0, or two equal maxima
    in a pooling window; as a fraction of the layer's standard deviation."""
    nearest = float("inf")
    for layer in layers:
        if isinstance(layer, torch.nn.ReLU):
            nearest = min(nearest, float(x.abs().min() / x.std()))
        if isinstance(layer, torch.nn.MaxPool2d):
            two = F.unfold(x.flatten(0, 1).unsqueeze(1), 2, stride=2).topk(2, dim=1).values
            gaps = (two[:, 0] - two[:, 1])[two[:, 0] > 0]
            nearest = min(nearest, float(gaps.min() / x.std()))
        x = layer(x)
    return nearest


def standard():
    """A VGG11 as torchvision's, a sixteenth wide, 64 px, pooled to 3x3."""
    layers, channels = [], 3
    for block in [(8,), (8,), (16, 16), (32, 32), (32, 32)]:
        for width in block:
            layers += [torch.nn.Conv2d(channels, width, 3, padding=1), torch.nn.ReLU()]
            channels = width
        layers.append(torch.nn.MaxPool2d(2, 2))
    model = torch.nn.Module()
    model.features = torch.nn.Sequential(*layers)
    model.classifier = torch.nn.Sequential(
        torch.nn.Linear(channels * 9, 16), torch.nn.ReLU(), torch.nn.Dropout(0.0),
        torch.nn.Linear(16, 16), torch.nn.ReLU(), torch.nn.Dropout(0.0), torch.nn.Linear(16, 5))
    pool = torch.nn.AdaptiveAvgPool2d((3, 3))
    with torch.no_grad():
        for tensor in model.state_dict().values():
            # Large enough that the signal comes through.
            tensor.copy_((tensor * 2.2).float().double())
        # Closer to a kink than float32 resolves, one activation would change a gradient by half a percent.
        while True:
            images = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)
            x = (images.double() / 255 - f32(0.1307)) / f32(0.3081)
            if margin(model.features, x) > 1e-5:
                break
    labels = torch.randint(0, 5, (4,))
    loss = F.cross_entropy(model.classifier(pool(model.features(x)).flatten(1)), labels)
    loss.backward()
    out = {"images": nhwc(images), "labels": labels.numpy().astype(np.uint32), "loss": loss.detach().view(1)}
    out |= {f"before.{k}": v.detach().float() for k, v in model.state_dict().items()}
    out |= {f"grad.{k}": p.grad.float() for k, p in model.named_parameters()}
    save("standard", out)


STEPS = 20


def optimizers():
    """A softmax regression. `attributes` is [learning rate, momentum, nesterov, weight decay, smoothing, norm, decay]."""
    torch.manual_seed(31)
    out = {}
    inputs, labels = randn(8, 5), torch.randint(0, 3, (8,))
    start = randn(3, 5), randn(3)
    out |= {"data.input": inputs, "data.labels": labels.numpy().astype(np.uint32), "data.weight": start[0],
            "data.bias": start[1]}
    adam = dict(betas=(f32(0.9), f32(0.999)), eps=f32(1e-8))
    sgd, nesterov = dict(momentum=f32(0.9)), dict(momentum=f32(0.9), nesterov=True, weight_decay=f32(0.01))
    cases = {
        "adam": (torch.optim.Adam, adam, {}),
        "adam_decay": (torch.optim.Adam, adam | dict(weight_decay=f32(0.1)), {}),
        "adamw": (torch.optim.AdamW, adam | dict(weight_decay=f32(0.1)), {}),
        "sgd": (torch.optim.SGD, {}, {}),
        "sgd_momentum": (torch.optim.SGD, sgd, {}),
        "sgd_nesterov": (torch.optim.SGD, nesterov, {}),
        "smoothing": (torch.optim.SGD, sgd, dict(smoothing=f32(0.1))),
        "clipping": (torch.optim.SGD, sgd, dict(norm=f32(0.4))),
        "average": (torch.optim.AdamW, adam | dict(weight_decay=f32(0.1)), dict(decay=f32(0.6))),
    }
    for case, (optimizer, constants, options) in cases.items():
        lr = f32(0.05)
        model = torch.nn.Linear(5, 3)
        with torch.no_grad():
            model.weight.copy_(start[0])
            model.bias.copy_(start[1])
        optimizer = optimizer(model.parameters(), lr=lr, **(dict(weight_decay=0.0) | constants))
        decay = options.get("decay", 0.0)
        average = average_of(model, decay)
        rows = {"loss": [], "norm": [], "weight": [], "bias": [], "average": []}
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), labels, label_smoothing=options.get("smoothing", 0.0))
            loss.backward()
            limit = options.get("norm", float("inf"))
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), limit)
            optimizer.step()
            average.update_parameters(model)
            values = loss, norm, model.weight, model.bias, average.module.weight
            for row, value in zip(rows.values(), values):
                row.append(value.detach().clone())
        if "norm" in options:
            assert min(rows["norm"]) < options["norm"] < max(rows["norm"]), rows["norm"]
        elif "decay" not in options:
            del rows["norm"], rows["average"]
        out |= {f"{case}.{name}": torch.stack(row) for name, row in rows.items()}
        out[f"{case}.attributes"] = np.array([
            lr, constants.get("momentum", 0.0), float(constants.get("nesterov", False)),
            constants.get("weight_decay", 0.0), options.get("smoothing", 0.0), options.get("norm", 0.0), decay])
    save("optimizers", out)


def average_of(model, decay):
    """torchvision's ExponentialMovingAverage with the warm-up of TensorFlow's: step t has min(decay, (1 + t) / (10 + t))."""
    def average(old, new, averaged):
        t = averaged.item() + 1
        warm = min(decay, (1 + t) / (10 + t))
        return warm * old + (1 - warm) * new
    return torch.optim.swa_utils.AveragedModel(model, avg_fn=average, use_buffers=True)


def training():
    """From `network.safetensors`: Nesterov's momentum, weight decay, clipping, label smoothing and an average at once."""
    file = load_file(HERE / "network.safetensors")
    images, labels = torch.from_numpy(file["images"]).permute(0, 3, 1, 2), torch.from_numpy(file["labels"]).long()
    model = Vgg([(8, 8), (8, 8), (16, 16, 16), (32, 32, 32), (32, 32, 32)], 16, 10)
    state = {name[7:]: torch.from_numpy(t).double() for name, t in file.items() if name.startswith("before.")}
    missing = model.load_state_dict(state, strict=False)
    assert not missing.unexpected_keys and all("num_batches" in key for key in missing.missing_keys)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps, module.momentum = f32(1e-5), f32(0.1)
    x = (images.double() / 255 - f32(0.1307)) / f32(0.3081)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=f32(0.01), momentum=f32(0.9), nesterov=True, weight_decay=f32(1e-3))
    average = average_of(model, f32(0.9))
    model.train()
    out = {"loss": [], "norm": []}
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), labels, label_smoothing=f32(0.1))
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), f32(4.0))
        optimizer.step()
        average.update_parameters(model)
        out["loss"].append(loss.detach())
        out["norm"].append(norm.detach())
    out = {name: torch.stack(values) for name, values in out.items()}
    average.module.eval()
    out["evaluated_loss"] = F.cross_entropy(average.module(x), labels).detach().view(1)
    for name in ["features.0.weight", "features.1.running_mean", "features.41.running_var", "classifier.6.weight"]:
        out[f"after.{name}"] = model.state_dict()[name].float()
        out[f"average.{name}"] = average.module.state_dict()[name].float()
    save("training", out)


def schedules():
    """The learning rate of 24 steps, 3 an epoch."""
    lr, steps = 1e-3, 24
    S = torch.optim.lr_scheduler
    warmup = lambda o, count: S.LinearLR(o, start_factor=1 / (count + 1), total_iters=count)
    cases = {
        "constant": lambda o: S.ConstantLR(o, factor=1),
        "step": lambda o: S.StepLR(o, 2 * 3, f32(0.5)),
        "multistep": lambda o: S.MultiStepLR(o, [1 * 3, 4 * 3, 5 * 3], f32(0.5)),
        "cosine": lambda o: S.CosineAnnealingLR(o, steps),
        "constant_warmup": lambda o: warmup(o, 6),
        "step_warmup": lambda o: S.ChainedScheduler([warmup(o, 6), S.StepLR(o, 2 * 3, f32(0.5))]),
        "multistep_warmup": lambda o: S.ChainedScheduler(
            [warmup(o, 6), S.MultiStepLR(o, [1 * 3, 4 * 3, 5 * 3], f32(0.5))]),
        "cosine_warmup": lambda o: S.SequentialLR(
            o, [warmup(o, 6), S.CosineAnnealingLR(o, steps - 6)], milestones=[6]),
    }
    out = {}
    for case, schedule in cases.items():
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
        scheduler, rates = schedule(optimizer), []
        for _ in range(steps):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        out[f"{case}.rate"] = np.array(rates)
    save("schedules", out)


def activations():
    functions = {"leaky_relu": lambda x: F.leaky_relu(x, 0.125), "gelu": F.gelu, "silu": F.silu, "celu": lambda x: F.celu(x, 0.25)}
    out = {}
    for case, function in functions.items():
        x = torch.cat([randn(40), 4 * randn(20), torch.tensor([0.0, -0.0, 30.0, -30.0])]).requires_grad_()
        y = function(x)
        dy = randn(*y.shape)
        y.backward(dy)
        out |= {f"{case}.input": x, f"{case}.output": y, f"{case}.grad_output": dy, f"{case}.grad_input": x.grad}
    save("activations", out)


def group_norm():
    """Groups of channels, one group, and the channels of each pixel (groups 0)."""
    torch.manual_seed(20261130)
    out = {}
    for n, h, w, c, groups in [(2, 3, 4, 6, 3), (3, 5, 5, 8, 1), (2, 4, 3, 5, 5), (2, 3, 3, 20, 0), (1, 1, 1, 4, 2)]:
        x = (randn(n, c, h, w) * 2 + randn(n, c, 1, 1)).float().double().requires_grad_()
        gamma, beta = leaf(c), leaf(c)
        if groups:
            eps = f32(1e-5)
            y = F.group_norm(x, groups, gamma, beta, eps)
            sets = x.detach().reshape(n, groups, -1)
        else:
            eps = f32(1e-6)
            y = F.layer_norm(x.permute(0, 2, 3, 1), (c,), gamma, beta, eps).permute(0, 3, 1, 2)
            sets = x.detach().permute(0, 2, 3, 1)
        dy = randn(*y.shape)
        y.backward(dy)
        moments = torch.stack([sets.mean(-1), (sets.var(-1, unbiased=False) + eps).rsqrt()], -1)
        out |= {f"g{groups}c{c}.{name}": value for name, value in {
            "input": nhwc(x), "gamma": gamma, "beta": beta, "output": nhwc(y), "moments": moments, "grad_output": nhwc(dy),
            "grad_input": nhwc(x.grad), "grad_gamma": gamma.grad, "grad_beta": beta.grad,
            "groups": torch.tensor([float(groups)])}.items()}
    save("group_norm", out)


def fake_quantize():
    """PyTorch's own operators in float32, with powers of two as scales: then dividing by them and multiplying by their inverse are the same."""
    torch.manual_seed(20261201)
    scale = 1 / 32
    x = torch.cat([8 * randn(60), torch.arange(-4, 520) * scale / 2]).float().requires_grad_()
    y = torch.fake_quantize_per_tensor_affine(x, scale, 0, 0, 255)
    dy = randn(*y.shape).float()
    y.backward(dy)
    out = {"activation.input": x, "activation.output": y, "activation.grad_output": dy, "activation.grad_input": x.grad,
           "activation.range": torch.tensor([255 * scale])}
    scales = torch.tensor([1 / 64, 1 / 4, 1 / 1024], dtype=torch.float32)
    w = (127 * scales[:, None] * torch.rand(3, 40, dtype=torch.float32) * torch.randn(3, 40).sign().float())
    w[:, 0], w[:, 1:5] = -127 * scales, torch.tensor([0.5, 1.5, -2.5, 3.0]) * scales[:, None]
    q = torch.fake_quantize_per_channel_affine(w, scales, torch.zeros(3, dtype=torch.int32), 0, -127, 127)
    out |= {"rows.weight": w, "rows.output": q, "columns.weight": w.T, "columns.output": q.T}
    save("fake_quantize", {name: value.double() for name, value in out.items()})


def rounded():
    """The network of standard(), with the roundings of quantisation-aware training: straight through by their definition."""
    golden = load_file(HERE / "standard.safetensors")
    state = {k.removeprefix("before."): torch.from_numpy(v).double() for k, v in golden.items() if k.startswith("before.")}
    parameters = {name: value.requires_grad_() for name, value in state.items()}
    images, labels = torch.from_numpy(golden["images"]), torch.from_numpy(golden["labels"].astype(np.int64))
    x = ((images.double() / 255 - f32(0.1307)) / f32(0.3081)).permute(0, 3, 1, 2)
    ranges = {}

    def activation(x, name):
        x = torch.relu(x)
        # Less than the largest value, so that some are clipped.
        end = f32(0.9 * float(x.detach().max()))
        ranges[f"before.{name}.range"] = torch.tensor([end]).float()
        q = torch.round(x.detach() * (255 / end))
        inside = (q >= 0) & (q <= 255)
        through = torch.where(inside, x, x.detach())
        return through + (q.clamp(0, 255) * (end / 255) - through).detach()

    def weight(name):
        w = parameters[f"{name}.weight"]
        scale = w.detach().abs().flatten(1).max(1).values / 127
        scale = scale.view(-1, *[1] * (w.dim() - 1))
        return w + (torch.round(w.detach() / scale) * scale - w).detach(), parameters[f"{name}.bias"]

    at = 0
    for block in [1, 1, 2, 2, 2]:
        for _ in range(block):
            x = activation(F.conv2d(x, *weight(f"features.{at}"), padding=1), f"features.{at + 1}")
            at += 2
        x = F.max_pool2d(x, 2, 2)
        at += 1
    x = torch.nn.AdaptiveAvgPool2d((3, 3))(x).flatten(1)
    for at in [0, 3]:
        x = activation(F.linear(x, *weight(f"classifier.{at}")), f"classifier.{at + 1}")
    loss = F.cross_entropy(F.linear(x, *weight("classifier.6")), labels)
    loss.backward()
    out = {"loss": loss.detach().view(1)} | ranges
    save("rounded", out | {f"grad.{name}": p.grad.float() for name, p in parameters.items()})


def mixing():
    """Erased rectangles, then mixup or CutMix with the image before, as torchvision's v2.MixUp and v2.CutMix have it (roll by one)."""
    n, h, w, c = 4, 6, 5, 3
    images = randn(n, c, h, w)
    # Erased and swapped: top, left, bottom, right; share of the pixels, share of the label.
    mixes = torch.tensor([
        [1, 1, 3, 4, 0, 0, 0, 0, 0.25, 0.25],
        [0, 0, 0, 0, 2, 0, 6, 3, 1, 0.6],
        [4, 2, 6, 5, 0, 1, 5, 4, 0.75, 0.5],
        [0, 0, 0, 0, 0, 0, 0, 0, 1, 1]])

    def inside(rectangles):
        y, x = torch.arange(h).view(1, 1, h, 1), torch.arange(w).view(1, 1, 1, w)
        top, left, bottom, right = (rectangles[:, i].view(n, 1, 1, 1) for i in range(4))
        return (y >= top) & (x >= left) & (y < bottom) & (x < right)

    erased = images.masked_fill(inside(mixes[:, :4]), 0.0)
    share = mixes[:, 8].view(n, 1, 1, 1).expand(n, 1, h, w).masked_fill(inside(mixes[:, 4:8]), 0.0)
    save("mix", {"all.images": nhwc(images), "all.mixes": mixes, "all.output": nhwc(share * erased + (1 - share) * erased.roll(1, 0))})
    # The targets of mixup and CutMix: shared with the image before, and smoothed.
    n, classes = 5, 4
    logits = randn(n, classes).requires_grad_()
    labels = torch.tensor([1, 1, 3, 0, 2])
    own = torch.tensor([0.25, 1.0, 0.0, 0.625, 0.5])
    one_hot = F.one_hot(labels, classes).double()
    target = own[:, None] * one_hot + (1 - own)[:, None] * one_hot.roll(1, 0)
    loss = F.cross_entropy(logits, target, reduction="none", label_smoothing=f32(0.1))
    loss.mean().backward()
    save("mixed_targets", {"mixed.logits": logits, "mixed.labels": labels.numpy().astype(np.uint32), "mixed.own": own,
                           "mixed.loss": loss, "mixed.grad_logits": logits.grad})
    # Moved by whole pixels over reflection padding: exact.
    images = torch.randint(0, 256, (2, 1, 9, 7), dtype=torch.uint8)
    padded = F.pad(images.double() / 255, (3, 3, 3, 3), mode="reflect")
    shifts = [(3, -2), (-1, 3)]
    shifted = torch.stack([padded[i, :, 3 + dy:12 + dy, 3 + dx:10 + dx] for i, (dy, dx) in enumerate(shifts)])
    save("reflect", {"all.images": nhwc(images), "all.transforms": torch.tensor([[1.0, 0, dx, 0, 1, dy] for dy, dx in shifts]),
                     "all.output": nhwc((shifted - f32(0.1307)) / f32(0.3081))})


def rand_augment():
    """Every operation of torchvision's RandAugment: images as bytes, or the inverse transform in positions of pixels."""
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms import functional as vision
    from torchvision.transforms.autoaugment import RandAugment, _apply_op

    # As torchvision runs: strengths and products are float32.
    torch.set_default_dtype(torch.float32)
    out = {}
    seen = []

    def record(center, angle, translate, scale, shear):
        seen.append((center, inverse(center, angle, translate, scale, shear)))
        return seen[-1][1]

    inverse = vision._get_inverse_affine_matrix
    vision._get_inverse_affine_matrix = record
    for channels, h, w in [(3, 18, 17), (1, 20, 16)]:
        image = (torch.randint(0, 256, (channels, h, w)) ** 2 // 300 + 20).clamp(0, 255).to(torch.uint8)
        for magnitude in [4, 9, 30]:
            space = RandAugment()._augmentation_space(31, (h, w))
            for kind, (name, (strengths, signed)) in enumerate(space.items()):
                for negative in [False, True] if signed else [False]:
                    strength = float(strengths[magnitude]) if strengths.ndim > 0 else 0.0
                    seen.clear()
                    output = _apply_op(image, name, -strength if negative else strength, InterpolationMode.BILINEAR, None)
                    case = f"{channels}_{magnitude}_{kind}_{int(negative)}"
                    out[f"{case}.attributes"] = torch.tensor([magnitude, kind, int(negative), h, w]).numpy().astype(np.uint32)
                    if seen:
                        # torchvision's positions are those from the centre of the image.
                        a, b, tx, c, d, ty = seen[-1][1]
                        cx, cy = (w - 1) / 2, (h - 1) / 2
                        out[f"{case}.affine"] = np.array([a, b, tx + cx - a * cx - b * cy, c, d, ty + cy - c * cx - d * cy])
                    else:
                        out[f"{case}.output"] = output.permute(1, 2, 0)
        out[f"{channels}.image"] = image.permute(1, 2, 0)
    vision._get_inverse_affine_matrix = inverse
    torch.set_default_dtype(torch.float64)
    save("rand_augment", out)


for make in [conv, batch_norm, relu, max_pool, linear, cross_entropy, adam, prepare, dropout, network, avg_pool, standard,
             optimizers, training, schedules, activations, group_norm, fake_quantize, rounded, mixing, rand_augment]:
    make()
