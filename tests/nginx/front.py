"""A plugin for pytest: puts nginx, with examples/nginx.conf and a throw-away certificate, in front of
every gateway that a suite starts. The suites know nothing of it."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "sdk" / "python"))

import processes  # noqa: E402

start_gateway = processes.gateway


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def replace(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"examples/nginx.conf: {old!r} is there {text.count(old)} times"
    return text.replace(old, new)


made: list[Path] = []


def certify(directory: Path):
    """A throw-away certificate: one for all of a run, since clients trust one file."""
    if made:
        for name in ("key.pem", "chain.pem"):
            shutil.copy(made[0] / name, directory / name)
        return
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1"
    subprocess.run(
        [*make.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "chain.pem"],
        cwd=directory,
        check=True,
        capture_output=True,
    )
    made.append(directory)


class Front:
    """A gateway with nginx in front of it."""

    def __init__(self, directory: Path, upstream: str, more: str = ""):
        self.behind = start_gateway(directory, upstream, more)
        self.port = free_port()
        self.certificate = directory / "chain.pem"
        certify(directory)
        text = (ROOT / "examples" / "nginx.conf").read_text()
        text = replace(text, "server 127.0.0.1:8080;", f"server {self.behind.url.removeprefix('http://')};")
        text = replace(text, "listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl")
        # Where a test may write; no matter who runs it.
        kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        places = " ".join(f"{kind}_temp_path {directory}/{kind};" for kind in kinds)
        text = re.sub(r"^http \{", f"http {{ {places}", text, flags=re.MULTILINE)
        (directory / "nginx.conf").write_text(text)
        # Started by root, its workers would be somebody who may not write here.
        user = "user root; " if os.geteuid() == 0 else ""
        self.errors = directory / "nginx.log"
        with self.errors.open("wb") as log:
            self._nginx = subprocess.Popen(
                ["nginx", "-p", directory, "-c", directory / "nginx.conf", "-e", "stderr"]
                + ["-g", f"{user}daemon off; pid {directory}/nginx.pid; error_log stderr warn;"],
                stderr=log,
            )
        # What botocore and urllib3 trust.
        os.environ["AWS_CA_BUNDLE"] = os.environ["SSL_CERT_FILE"] = str(self.certificate)
        self.url = f"https://127.0.0.1:{self.port}"
        processes.eventually("nginx listens", self._listens)

    def _listens(self) -> bool:
        assert self._nginx.poll() is None, self.errors.read_text()
        try:
            self.connect().close()
        except OSError:
            return False
        return True

    def connect(self) -> ssl.SSLSocket:
        """A connection for bytes of one's own."""
        context = ssl.create_default_context(cafile=self.certificate)
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=processes.PATIENCE)
        return context.wrap_socket(plain, server_hostname="127.0.0.1")

    def log(self) -> str:
        return self.behind.log()

    def stop(self):
        self._nginx.terminate()
        self._nginx.wait(processes.PATIENCE)
        self.behind.stop()


processes.gateway = Front
