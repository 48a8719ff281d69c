"""Runs the scenarios: one server at a time under load, all of them in turn, round by round."""

import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import profiling
import scenarios
import servers
import table

ROOT = Path(__file__).resolve().parent.parent.parent
ANCHORS = ("nginx", "floor", "hand")
#: descriptors beyond the two of each stream
SPARE = 60


def target_directory() -> Path:
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()


def build_load(quick: bool) -> Path:
    """The load client: outside the gateway's workspace, beside its build."""
    into = target_directory() / "load"
    command = ["cargo", "build", "--locked", "--quiet", "--manifest-path", str(ROOT / "benches/load/Cargo.toml")]
    subprocess.run([*command, *([] if quick else ["--release"])], check=True, env=os.environ | {"CARGO_TARGET_DIR": str(into)})
    return into / ("debug" if quick else "release") / "helan-load"


def gateways(options) -> dict[str, Path]:
    """Label and binary of what is measured. Without a word: this checkout, built now."""
    if not options.gateway:
        profile = "ci" if options.quick else "release"
        if options.quick and "HELAN_BIN" in os.environ:
            return {"helan": Path(os.environ["HELAN_BIN"]).absolute()}
        subprocess.run(["cargo", "build", "--locked", "--profile", profile, "--bin", "helan"], check=True, cwd=ROOT)
        return {"helan": target_directory() / profile / "helan"}
    found = {}
    for given in options.gateway:
        label, equals, path = given.rpartition("=")
        found[label if equals else Path(path).name] = Path(path).absolute()
    if len(found) < len(options.gateway):
        raise SystemExit("benches/run: two gateways have the same label: --gateway old=PATH --gateway new=PATH")
    for label, path in found.items():
        if not os.access(path, os.X_OK) or label in ("direct", "stub", *ANCHORS):
            raise SystemExit(f"benches/run: {label}={path} is no program, or its label is taken")
    return found


def machine() -> dict:
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), "began": time.strftime("%Y-%m-%d %H:%M:%S"),
            "load_average": os.getloadavg()[0]}


def raise_limit() -> int:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Run:
    def __init__(self, options, home: Path):
        self.options, self.home = options, home
        self.chosen = scenarios.named(options.scenarios)
        self.server_core, self.client_core = options.cores.split(",")
        self.load = build_load(options.quick)
        self.binaries = gateways(options)
        self.files = raise_limit()
        self.rows: list[dict] = []
        self.problems: list[str] = []
        #: calls that were answered rightly, by whom they went through
        self.right: dict[str, int] = {}
        self.stub = servers.Stub(self.load, self.client_core, home)
        self.front: servers.Front | None = None
        self.standing: dict[str, servers.Server] = {}

    # who takes part

    def anchors(self) -> list[str]:
        wanted = [name for name in self.options.anchors.split(",") if name]
        if unknown := set(wanted) - set(ANCHORS):
            raise SystemExit(f"benches/run: no anchor is called {', '.join(unknown)}; there are {', '.join(ANCHORS)}")
        if "nginx" in wanted and not servers.install_nginx():
            print("nginx is not here and cannot be installed: measured without it", file=sys.stderr)
            wanted.remove("nginx")
        return wanted

    def models(self) -> dict[str, dict[str, str]]:
        found = {f"bench.{self.endpoint(s)}-v1:0": {"endpoint": self.endpoint(s)} for s in scenarios.ALL if s.kind == "load"}
        found["bench.folded-200-v1:0"] = {"endpoint": "tokens-200", "unary": "stream"}
        # Ten of them, as a gateway has that serves a company.
        for number in range(10 - len(found)):
            found[f"bench.other-{number}-v1:0"] = {"endpoint": f"other-{number}"}
        return found

    def endpoint(self, scenario) -> str:
        return "tokens-20-rate-20" if self.options.quick and scenario.once else scenario.endpoint

    def make(self, name: str, scenario: scenarios.Scenario | None = None) -> servers.Server:
        place = (self.server_core, self.home)
        if name == "nginx":
            return servers.Nginx(*place, self.stub.port, min(self.files, 60_000))
        if name in ("floor", "hand"):
            return servers.Part(name, "sagemaker" if name == "floor" else "bedrock", self.load, *place, self.stub.port)
        upstream = self.front if scenario and scenario.tls else self.stub.port
        return servers.Gateway(name, self.binaries[name], *place, upstream, self.models(), scenario.limits if scenario else "")

    # one measurement

    def client(self, *arguments) -> dict:
        command = ["taskset", "-c", self.client_core, str(self.load), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=400, cwd=self.home)
        lines = done.stdout.strip().splitlines()
        if done.returncode != 0 or not lines:
            raise SystemExit(f"benches/run: {' '.join(command)}\n{done.stderr[-2000:]}")
        return json.loads(lines[-1])

    def arguments(self, scenario, api: str, port: int, pid: int | None) -> list:
        quick = self.options.quick
        callers = scenario.quick_callers if quick and scenario.quick_callers else scenario.callers
        said = ["load", "--to", f"127.0.0.1:{port}", "--api", api, "--endpoint", self.endpoint(scenario), "--body", scenario.body,
                "--callers", callers]
        said += ["--stream"] if scenario.stream else []
        said += ["--once"] if scenario.once else []
        said += ["--model", scenario.model] if scenario.model and api == "bedrock" else []
        said += ["--http2", scenario.http2] if scenario.http2 else []
        said += ["--refused-pause", scenario.refused_pause] if scenario.refused_pause else []
        said += ["--pid", pid] if pid else []
        if quick:
            calls = callers if scenario.once else scenario.quick_calls
            return [*said, "--full", "--calls", calls, "--ramp", 0.5 if scenario.once else 0]
        return [*said, "--seconds", self.options.seconds * scenario.stretch, "--warm", scenario.warm, "--ramp", scenario.ramp]

    def window(self, scenario, name: str, round_number: int) -> None:
        server = self.stub if name == "direct" else self.standing.get(name)
        if fresh := scenario.fresh and name != "direct":
            server = self.make(name, scenario)
            server.start()
            time.sleep(0 if self.options.quick else 1.0)
        api = "sagemaker" if name == "direct" else server.api
        pid = None if name == "direct" else server.pid
        try:
            with self.profile(scenario, name, pid):
                found = self.client(*self.arguments(scenario, api, server.port, pid))
            self.right[name] = self.right.get(name, 0) + found["right"]
            if fresh:
                self.compare(server, found["right"] + found["refused"])
        finally:
            if fresh:
                server.stop()
        self.put(scenario, name, round_number, found)
        if scenario.limits and not found["refused"] and not self.options.quick:
            self.problem(f"{scenario.name}, {name}: nobody was refused, so this was no overload")
        if found["wrong"]:
            self.problem(f"{scenario.name}, {name}: {found['wrong']} wrong answers of {found['wrong'] + found['right']}: {found['first_wrong']}")

    def profile(self, scenario, name: str, pid: int | None):
        if not self.options.profile or name not in self.binaries:
            return nullcontext()
        return profiling.recorded(pid, target_directory() / "bench" / f"{scenario.name}-{name}.perf")

    def start(self, scenario, name: str, round_number: int) -> None:
        server = self.make(name)
        # The pinning is inherited by what the client starts.
        command = ["taskset", "-c", self.server_core, *server.command()]
        done = subprocess.run([str(self.load), "cold", "--to", f"127.0.0.1:{server.port}", "--", *command],
                              capture_output=True, text=True, env=server.environment(), cwd=server.home, timeout=60)
        if done.returncode != 0:
            raise SystemExit(f"benches/run: {name} gave no first answer: {done.stderr[-2000:]}")
        self.right[name] = self.right.get(name, 0) + 1
        self.put(scenario, name, round_number, json.loads(done.stdout))

    def reload(self, scenario, name: str, round_number: int) -> None:
        server = self.make(name)
        server.start()
        try:
            time.sleep(0.5)
            model = "bench.late-v1:0"
            late = dict(list(server.models.items())[1:]) | {model: {"endpoint": "unary"}}
            server.configure(late)
            found = self.client("reload", "--to", f"127.0.0.1:{server.port}", "--pid", server.pid, "--model", model)
        finally:
            server.stop()
        self.right[name] = self.right.get(name, 0) + 1
        self.put(scenario, name, round_number, found)

    def size(self, scenario, name: str, round_number: int) -> None:
        stripped = self.home / f"{name}.stripped"
        subprocess.run(["strip", "-o", str(stripped), str(self.binaries[name])], check=True)
        self.put(scenario, name, round_number, {"bytes": stripped.stat().st_size})

    # what came of it

    def put(self, scenario, name: str, round_number: int, found: dict) -> None:
        row = {"scenario": scenario.name, "target": name, "round": round_number, "load_average": os.getloadavg()[0], **found}
        self.rows.append(row)
        print(table.line(row), file=sys.stderr, flush=True)

    def problem(self, told: str) -> None:
        self.problems.append(told)
        print(f"WRONG: {told}", file=sys.stderr)

    def compare(self, gateway: servers.Server, right: int) -> None:
        """What the gateway counted and logged must be what the client saw."""
        if not isinstance(gateway, servers.Gateway) or self.problems:
            return
        end = time.monotonic() + 3
        while True:
            counted, logged = gateway.calls(), gateway.logged()
            if sum(counted.values()) == right == logged and len(counted) <= 10:
                return
            if time.monotonic() > end:
                self.problem(f"{gateway.name}: the client saw {right} calls, the metrics {counted}, the log {logged}")
                return
            time.sleep(0.1)

    def round(self, scenario, round_number: int) -> None:
        names = list(self.binaries)
        if scenario.proxies:
            # What is done by hand knows text alone.
            names = ["direct", *(name for name in self.proxies if name != "hand" or scenario.body != "image"), *names]
        measure = {"load": self.window, "start": self.start, "reload": self.reload, "size": self.size}[scenario.kind]
        for name in names:
            measure(scenario, name, round_number)

    def all(self) -> None:
        self.proxies = self.anchors()
        self.stub.start()
        standing_right: dict[str, int] = {}
        try:
            for name in [*self.proxies, *self.binaries]:
                self.standing[name] = self.make(name)
                self.standing[name].start()
            if any(scenario.tls for scenario in self.chosen):
                self.begin_front()
            for scenario in self.chosen:
                if scenario.tls and not self.front:
                    continue
                if scenario.once and not self.options.quick and 2 * scenario.callers + SPARE > self.files:
                    print(f"{scenario.name}: not measured; it needs {2 * scenario.callers + SPARE} descriptors, the limit is {self.files} (ulimit -Hn)",
                          file=sys.stderr)
                    continue
                before = dict(self.right)
                for round_number in range(1 if scenario.single or self.options.quick else self.options.reps):
                    self.round(scenario, round_number)
                if scenario.kind == "load" and not scenario.fresh:
                    for name in self.binaries:
                        standing_right[name] = standing_right.get(name, 0) + self.right.get(name, 0) - before.get(name, 0)
            for name in self.binaries:
                self.compare(self.standing[name], standing_right.get(name, 0))
            self.compare_stub()
        finally:
            for server in self.standing.values():
                server.stop()
            if self.front:
                self.front.stop()
            self.stub.stop()

    def begin_front(self) -> None:
        if not servers.install_nginx():
            print("nginx or openssl is not here: nothing is measured behind TLS", file=sys.stderr)
            return
        self.front = servers.Front(self.client_core, self.home, self.stub.port, min(self.files, 60_000))
        self.front.start()

    def compare_stub(self) -> None:
        counts, right = self.stub.counts(), sum(self.right.values())
        if not self.problems and sum(counts.values()) != right:
            self.problem(f"the client saw {right} answers, SageMaker gave {counts}: a call was repeated, or made up")


def main(options) -> int:
    if sys.platform != "linux" or not shutil.which("taskset"):
        raise SystemExit("benches/run: needs Linux, for /proc and taskset")
    if options.profile and not shutil.which("perf"):
        raise SystemExit("benches/run: --profile needs perf; on Debian: apt install linux-perf")
    out = Path(options.out) if options.out else target_directory() / "bench" / "results.json"
    with tempfile.TemporaryDirectory(prefix="helan-bench-") as home:
        run = Run(options, Path(home))
        about = machine()
        try:
            run.all()
        finally:
            # What was measured before something broke is not lost.
            about["load_average_end"] = os.getloadavg()[0]
            result = {"machine": about, "reps": options.reps, "seconds": options.seconds, "quick": options.quick, "rows": run.rows,
                      "problems": run.problems}
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps(result, indent=1) + "\n")
    if options.quick:
        print(f"{sum(run.right.values())} calls, {len(run.problems)} problems")
    else:
        print(table.render(result))
        print(f"\nwritten: {out}", file=sys.stderr)
    for told in run.problems:
        print(f"WRONG: {told}", file=sys.stderr)
    return 1 if run.problems else 0
