"""The real binary: an emulator of SageMaker Runtime, and a gateway in front of it."""

import json
import os
import queue
import re
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
TOKENIZER = ROOT / "tests" / "fixtures" / "tokenizer" / "tokenizer.json"
LISTENING = re.compile(r"is listening on (http://\S+)")
# Nothing here is measured; this is how long a thing that must happen may take on a busy machine.
PATIENCE = 60


def binary() -> str:
    path = Path(os.environ.get("HELAN_BIN", ROOT / "target" / "ci" / "helan"))
    if not path.exists():
        raise RuntimeError(f"{path} is not there: cargo build --profile ci, or set HELAN_BIN")
    return str(path)


class Process:
    """A running `helan`, up once it has said where it listens."""

    def __init__(self, *arguments: str, log: Path, environment: dict[str, str]):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "HELAN_"))}
        self.log_path = log
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [binary(), *arguments],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env=kept | environment,
            )
        lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(lines,), daemon=True)
        self._reader.start()
        said = []
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                line = ""
            said.append(line)
            if found := LISTENING.search(line):
                self.url = found.group(1)
                return
            if not line:
                self.stop()
                raise RuntimeError(f"helan {arguments[0]}: {said}\n{self.log()}")

    def _read(self, lines):
        for line in self._process.stdout:
            lines.put(line)
        lines.put("")

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def stop(self):
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def emulator(directory: Path, rules: str | None = None) -> Process:
    """With the suite's rules, or with these."""
    path = HERE / "rules.toml"
    if rules is not None:
        directory.mkdir(exist_ok=True)
        path = directory / "rules.toml"
        path.write_text(rules)
    return Process(
        "emulate",
        "--listen",
        "127.0.0.1:0",
        "--rules",
        str(path),
        log=directory / "emulator.log",
        environment={},
    )


def gateway(directory: Path, upstream: str, more: str = "") -> Process:
    """With the suite's configuration, and more tables at its end."""
    config = (HERE / "helan.toml").read_text() + more
    config = config.replace("@keys@", str(HERE / "keys.toml")).replace("@emulator@", upstream)
    config = config.replace("@tokenizer@", str(TOKENIZER))
    path = directory / "helan.toml"
    path.write_text(config)
    return Process(
        "serve",
        "--config",
        str(path),
        log=directory / "gateway.log",
        environment={
            "AWS_ACCESS_KEY_ID": "AKIDDEMO",
            "AWS_SECRET_ACCESS_KEY": "demo-secret-key",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        },
    )


def calls(emulator_url: str) -> dict:
    """What the emulator counted."""
    with urllib.request.urlopen(f"{emulator_url}/_emulator/calls", timeout=PATIENCE) as answer:
        return json.load(answer)


def requests(emulator_url: str) -> list[dict]:
    """The last requests that reached the emulator, the oldest first."""
    with urllib.request.urlopen(f"{emulator_url}/_emulator/requests", timeout=PATIENCE) as answer:
        return json.load(answer)


def eventually(what, condition):
    """Waits until a thing that must happen has happened."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)
