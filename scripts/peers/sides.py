"""The sides of `scripts/compare`: this program and its peers, each a process that takes turns."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
TORCH = "torch==2.15.0"

# Warm-up steps of a peer's turn, for threads, caches and clocks: as many as `vgg bench` has, or as fit a time.
WARMUP, WARMUP_SECONDS = 5, 0.5

FACTS = ("device", "driver", "parameters", "memory_bytes", "matrix_units_failure")


class Failure(Exception):
    """A side that cannot continue, and why."""


class Skip(Exception):
    """A peer that this machine does not have, and what to do about it."""


def say(text):
    print(f"compare: {text}", file=sys.stderr, flush=True)


def tail(file):
    """The last line of a process's standard error that is not empty."""
    file.seek(0)
    lines = [line.strip() for line in file.read().splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no message"


def read_json(text, whose):
    try:
        return json.loads(text)
    except ValueError:
        raise Failure(f"{whose} printed no JSON: {text[:200]!r}") from None


class Ours:
    """This program: one process per turn, `vgg bench`. Each restarts the training; learning is checked separately."""

    def __init__(self, name, binary, flags, batch, limit):
        self.name, self.batch, self.limit = name, batch, limit
        self.command = [str(binary), "--quiet", "bench", "--json", *flags]
        self.facts, self.losses, self.starts, self.phases, self.last = {}, [], [], [], {}

    def start(self):
        """Each turn starts a new process."""

    def run(self, steps):
        with tempfile.TemporaryFile("w+") as errors:
            command = [*self.command, "--steps", str(steps)]
            try:
                done = subprocess.run(
                    command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True,
                    timeout=self.limit)
            except subprocess.TimeoutExpired:
                raise Failure(f"no answer within {self.limit:.0f} s") from None
            if done.returncode:
                raise Failure(f"exit code {done.returncode}: {tail(errors)}")
        return read_json(done.stdout, self.name)

    def turn(self, steps):
        """Seconds of a step."""
        self.last = {}
        self.last = answer = self.run(steps)
        self.facts = {name: answer.get(name) for name in FACTS}
        self.starts.append(answer["start_to_first_step_s"])
        self.losses = [answer["first_loss"], answer["last_loss"]]
        self.phases.append([answer[f"{phase}_ms"]["median"] for phase in ("forward", "backward", "update")])
        return answer["step_ms"]["mean"] / 1000

    def close(self):
        """Nothing is open between turns."""


class Peer:
    """A process that stays alive: it prints a JSON line after its first step, then one for each requested turn. Between its
    turns it is stopped, so that spinning threads cost the others nothing."""

    def __init__(self, name, command, batch, limit, cpu_time=False):
        self.name, self.batch, self.limit, self.cpu_time = name, batch, limit, cpu_time
        self.command = [str(word) for word in command]
        self.facts, self.losses, self.starts, self.phases = {}, [], [], []
        self.process, self.warmup, self.last = None, 1, {}

    def start(self):
        self.errors = tempfile.TemporaryFile("w+")
        started = time.perf_counter()
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.facts = self.answer()
        self.starts.append(time.perf_counter() - started)
        self.last = self.facts | {"start_to_first_step_s": self.starts[-1]}
        self.losses.append(self.facts["loss"])
        self.process.send_signal(signal.SIGSTOP)

    def answer(self):
        late = threading.Timer(self.limit, self.process.kill)
        late.start()
        try:
            line = self.process.stdout.readline()
            waited = not late.is_alive()
        finally:
            late.cancel()  # even if a signal ends the wait: a timer keeps the whole script alive
        if line:
            return read_json(line, self.name)
        code = self.process.wait()
        if waited:
            raise Failure(f"no answer within {self.limit:.0f} s")
        raise Failure(f"exit code {code}: {tail(self.errors)}")

    def cpu_seconds(self):
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def ask(self, steps):
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        return self.answer()

    def turn(self, steps):
        """Seconds of a step."""
        self.last = {}
        self.process.send_signal(signal.SIGCONT)
        self.ask(self.warmup)
        before = self.cpu_seconds() if self.cpu_time else 0
        answer = self.ask(steps)
        seconds = self.cpu_seconds() - before if self.cpu_time else answer["seconds"]
        self.process.send_signal(signal.SIGSTOP)
        self.losses.append(answer["loss"])
        self.facts["memory_bytes"] = answer.get("memory_bytes")
        self.last = answer
        self.warmup = max(1, min(WARMUP, int(WARMUP_SECONDS * steps / seconds)))
        return seconds / steps

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def our_binary(given):
    if given:
        return given.resolve()
    packed = ROOT / "vgg"  # `scripts/bench-gpu --pack` puts it there
    if packed.exists():
        return packed
    if not shutil.which("cargo"):
        say("there is no cargo to build vgg; --binary takes one built elsewhere")
        raise SystemExit(1)
    say("cargo build --release")
    if subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=ROOT).returncode:
        raise SystemExit(1)
    return TARGET / "release" / "vgg"


def our_device(binary, flags):
    """The device as `vgg plan` describes it, which compiles nothing."""
    done = subprocess.run([str(binary), "plan", *flags], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True)
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    found = [line.removeprefix("device").strip() for line in lines if line.startswith("device ")]
    if done.returncode or not found:
        raise Failure(f"vgg plan, exit code {done.returncode}: {lines[-1] if lines else 'no message'}")
    return found[0]


def cpu_step():
    """The benchmark of the CPU executor, which takes turns as a peer does."""
    command = ["cargo", "bench", "--quiet", "--bench", "cpu_step", "--no-run", "--message-format", "json"]
    say(" ".join(command[:6]))
    build = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if build.returncode:
        raise SystemExit(1)
    built = [json.loads(line).get("executable") for line in build.stdout.splitlines()]
    return next(path for path in built if path and "cpu_step" in path)


def torch_python(install):
    """A Python that has PyTorch: this one, or that of an environment under target/, which is created if needed."""
    if has_torch(sys.executable):
        return sys.executable
    folder = TARGET / "peers" / "venv"
    python = folder / "bin" / "python"
    if not (python.exists() and has_torch(python)):
        if not install:
            raise Skip(f"{sys.executable} has no PyTorch, and --no-install forbids installing it")
        say(f"pip install {TORCH} into {folder}")
        made = subprocess.run([sys.executable, "-m", "venv", folder]).returncode == 0
        if not made or subprocess.run([python, "-m", "pip", "install", "--quiet", TORCH, "numpy"]).returncode:
            raise Skip(f"PyTorch is not installed, and `pip install {TORCH}` failed")
    return str(python)


def has_torch(python):
    return subprocess.run([python, "-c", "import torch"], stderr=subprocess.DEVNULL).returncode == 0


def has_cuda(python):
    test = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    return subprocess.run([python, "-c", test], stderr=subprocess.DEVNULL).returncode == 0


def burn_binary(given, spirv):
    """`spirv`: whether its kernels are SPIR-V on Vulkan, or WGSL."""
    if given:
        return given.resolve()
    if not shutil.which("cargo"):
        raise Skip("there is no cargo to build scripts/peers/burn; --burn-binary takes one built elsewhere")
    target = TARGET / "peers" / ("burn" if spirv else "burn-wgsl")
    say("cargo build --release in scripts/peers/burn (a quarter of an hour the first time)")
    command = ["cargo", "build", "--release", "--quiet", "--locked", "--target-dir", str(target)]
    command += [] if spirv else ["--no-default-features"]
    if subprocess.run(command, cwd=ROOT / "scripts" / "peers" / "burn").returncode:
        raise Skip("cargo could not build scripts/peers/burn")
    return target / "release" / "vgg-burn"
