"""From the start of a container to its first answered call, in milliseconds. Printed, and never judged: it is this
machine's, with whatever else it does.

The container must join the network of another one that is up: at an address that is not there yet, the kernel tries
again after a second.

usage: first_answer.py <docker> <address> <arguments of docker run...>
"""

import http.client
import json
import subprocess
import sys
import time

docker, address, *arguments = sys.argv[1:]
BODY = json.dumps({"messages": [{"role": "user", "content": [{"text": "Where is Ningxia?"}]}]})
PATIENCE = 60


def answered():
    connection = http.client.HTTPConnection(address, 8080, timeout=5)
    try:
        connection.request("POST", "/model/fast/converse", BODY, {"content-type": "application/json"})
        response = connection.getresponse()
        text = response.read()
        if response.status != 200:
            sys.exit(f"the first answer is {response.status}: {text.decode()}")
        return True
    except OSError:
        return False  # not there yet
    finally:
        connection.close()


began = time.monotonic()
process = subprocess.Popen([docker, "run", *arguments], stdout=subprocess.PIPE, text=True)
while not answered():
    if time.monotonic() - began > PATIENCE:
        sys.exit("no answer at all")
    time.sleep(0.001)
now, booted = time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME)
container = process.communicate()[0].strip()
shown = subprocess.run([docker, "inspect", "-f", "{{.State.Pid}}", container], capture_output=True, text=True, check=True)
# The kernel's own note of when the process began, in hundredths of a second.
with open(f"/proc/{int(shown.stdout)}/stat") as stat:
    started = int(stat.read().rsplit(")", 1)[1].split()[19]) / 100
print(f"from the process's start {(booted - started) * 1000:.0f} ms (+- 10), from `docker run` {(now - began) * 1000:.0f} ms")
