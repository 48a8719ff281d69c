"""Where the time goes: perf's samples by what the code is for."""

import re
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path

#: the first that fits; a symbol that was inlined counts where it went
GROUPS = [
    ("kernel", r"\[k\]"),
    ("allocator", r"malloc|free|calloc|realloc|unlink_chunk|consolidate|sysmalloc|_rjem|mi_"),
    ("copying and comparing", r"mem(move|cpy|set|cmp|chr)|strlen"),
    ("hashes and signatures", r"sha2|sha256|hmac|sigv4|crc32|digest"),
    ("AWS SDK", r"aws_|smithy"),
    ("log and metrics", r"tracing|prometheus|helan::meter"),
    ("JSON", r"serde|itoa|ryu"),
    ("hyper and http", r"hyper|<http|http::|http_body|httparse|h2::|tower"),
    ("tokio", r"tokio|mio::"),
    ("this gateway", r"helan"),
    ("text, formatting, maps", r"core::(fmt|str|hash)|alloc::|hashbrown|std::|indexmap"),
]


@contextmanager
def recorded(pid: int, into: Path):
    """Records while the body runs, then prints the groups and the symbols that lead."""
    into.parent.mkdir(parents=True, exist_ok=True)
    recorder = subprocess.Popen(["perf", "record", "-q", "-e", "cpu-clock", "-F", "1999", "-g", "-p", str(pid), "-o", str(into)])
    try:
        yield
    finally:
        recorder.send_signal(signal.SIGINT)
        recorder.wait()
    print(f"\nperf report --no-children -i {into}")
    command = ["perf", "report", "--stdio", "--no-children", "-g", "none", "--sort", "symbol", "-i", str(into)]
    report = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    symbols = [(float(found[1]), found[2].strip()) for found in re.finditer(r"^ +([\d.]+)% +(.+)$", report, re.MULTILINE)]
    shares: dict[str, float] = {}
    for share, symbol in symbols:
        group = next((name for name, pattern in GROUPS if re.search(pattern, symbol)), "other")
        shares[group] = shares.get(group, 0) + share
    for group, share in sorted(shares.items(), key=lambda pair: -pair[1]):
        print(f"  {share:5.1f} %  {group}")
    for share, symbol in symbols[:30]:
        print(f"  {share:5.2f} %  {symbol[:150]}")
