"""What runs beside the client: the stub, proxies, gateways. Each has a port and a process."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

#: as `sign.rs` of the load client has them
KEY, SECRET, REGION = "AKIDBENCH", "benchmark-secret-key", "cn-northwest-1"

CONFIG = """\
listen = "127.0.0.1:{port}"

[admin]
listen = "127.0.0.1:{admin}"

[auth]
keys_file = "keys.toml"

[log]
format = "json"
level = "info"

[limits]
max_connections = 20000
{limits}
[sagemaker]
region = "{region}"
endpoint_url = "{upstream}"
max_connections = 20000
"""

NGINX = """\
daemon off;
master_process off;
worker_rlimit_nofile {files};
error_log {home}/nginx.log warn;
pid {home}/nginx.pid;
events {{ worker_connections {files}; }}
http {{
  access_log off;
  keepalive_requests 100000000;
  client_max_body_size 32m;
  client_body_buffer_size 128k;
  client_body_temp_path {home}/body;
  proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi;
  scgi_temp_path {home}/scgi;
  upstream sagemaker {{ server 127.0.0.1:{upstream}; keepalive 1024; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port}{kind} backlog=4096;
    {tls}
    location / {{
      proxy_pass http://sagemaker;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 600s;
    }}
  }}
}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def install_nginx() -> bool:
    """And openssl, for its certificate."""
    if not (shutil.which("nginx") and shutil.which("openssl")) and shutil.which("apt-get"):
        sudo = [] if os.getuid() == 0 else ["sudo", "-n"]
        subprocess.run(
            [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq", "--no-install-recommends", "nginx-light", "openssl"],
            stdout=subprocess.DEVNULL, check=False)
    return bool(shutil.which("nginx") and shutil.which("openssl"))


class Server:
    """A process on one core."""

    def __init__(self, name: str, core: str, home: Path):
        self.name, self.core = name, core
        # Of its own: a fresh process must not write into the log of the standing one.
        self.home = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=home))
        self.port = free_port()
        self.process: subprocess.Popen | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "HELAN_"))}

    def pinned(self) -> list[str]:
        return ["taskset", "-c", self.core, *self.command()]

    def start(self) -> None:
        log = open(self.home / "stderr", "w")
        # The log is written to a file, as it would be to a collector's pipe.
        self.process = subprocess.Popen(self.pinned(), env=self.environment(), stdout=subprocess.DEVNULL, stderr=log, cwd=self.home)
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    told = (self.home / "stderr").read_text()[-2000:]
                    raise SystemExit(f"benches/run: {self.name} does not listen:\n{told}") from None
                time.sleep(0.02)

    @property
    def pid(self) -> int:
        return self.process.pid

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None


class Stub(Server):
    def __init__(self, load: Path, core: str, home: Path):
        self.load = load
        super().__init__("stub", core, home)

    def command(self):
        return [str(self.load), "stub", "--listen", f"127.0.0.1:{self.port}"]

    def counts(self) -> dict[str, int]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/counts", timeout=5) as answer:
            return json.load(answer)


class Part(Server):
    """A server that the load client has in itself: `floor` or `hand`."""

    def __init__(self, name: str, api: str, load: Path, core: str, home: Path, upstream: int):
        self.api, self.load, self.upstream = api, load, upstream
        super().__init__(name, core, home)

    def command(self):
        return [str(self.load), self.name, "--listen", f"127.0.0.1:{self.port}", "--upstream", f"127.0.0.1:{self.upstream}"]


class Nginx(Server):
    api = "sagemaker"

    def __init__(self, core: str, home: Path, upstream: int, files: int):
        super().__init__("nginx", core, home)
        self.configure(upstream, files)

    def configure(self, upstream: int, files: int, kind: str = "", tls: str = "") -> None:
        config = NGINX.format(home=self.home, port=self.port, upstream=upstream, files=files, kind=kind, tls=tls)
        (self.home / "nginx.conf").write_text(config)

    def command(self):
        return [shutil.which("nginx"), "-p", str(self.home), "-c", str(self.home / "nginx.conf")]


class Front(Nginx):
    """The stub behind TLS. What that costs on this side falls to the client's core."""

    def configure(self, upstream: int, files: int) -> None:
        key, self.certificate = self.home / "key.pem", self.home / "certificate.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", str(key), "-out", str(self.certificate)],
            check=True, capture_output=True)
        super().configure(upstream, files, kind=" ssl", tls=f"ssl_certificate {self.certificate}; ssl_certificate_key {key};")


class Gateway(Server):
    """The whole product: callers verified, every call logged and counted."""

    api = "bedrock"

    def __init__(self, label: str, binary: Path, core: str, home: Path, upstream: int | Front, models: dict[str, dict[str, str]], limits: str = ""):
        super().__init__(label, core, home)
        self.binary, self.upstream, self.models, self.limits = binary, upstream, models, limits
        self.admin = free_port()
        (self.home / "keys.toml").write_text(f'[[access_key]]\nid = "{KEY}"\nsecret = "{SECRET}"\nprincipal = "bench"\n')
        self.configure(models)

    def configure(self, models: dict[str, dict[str, str]]) -> None:
        upstream = f"https://localhost:{self.upstream.port}" if isinstance(self.upstream, Front) else f"http://127.0.0.1:{self.upstream}"
        limits = self.limits or "max_calls = 20000\n"
        text = CONFIG.format(port=self.port, admin=self.admin, upstream=upstream, limits=limits, region=REGION)
        for model, settings in models.items():
            text += f'\n[models."{model}"]\n' + "".join(f'{key} = "{value}"\n' for key, value in settings.items())
        (self.home / "helan.toml").write_text(text)

    def command(self):
        return [str(self.binary), "serve", "--config", str(self.home / "helan.toml")]

    def environment(self):
        own = {"AWS_ACCESS_KEY_ID": "AKIDUPSTREAM", "AWS_SECRET_ACCESS_KEY": "upstream-secret-key", "AWS_EC2_METADATA_DISABLED": "true",
               "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
        if isinstance(self.upstream, Front):
            own["SSL_CERT_FILE"] = str(self.upstream.certificate)
        return super().environment() | own

    def calls(self) -> dict[str, int]:
        """How many calls the gateway itself has counted, by how they ended."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        found: dict[str, int] = {}
        for line in lines:
            if line.startswith("helan_calls_total{"):
                labels, _, value = line.rpartition(" ")
                found[labels] = found.get(labels, 0) + int(float(value))
        return found

    def logged(self) -> int:
        """How many calls it has logged."""
        return (self.home / "stderr").read_bytes().count(b'"operation":"')
