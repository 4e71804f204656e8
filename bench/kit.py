"""What the benchmarks share: servers that are ended by their pid, a load, and figures in columns."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
RELEASE = ROOT / "target" / "release"
SONGKEEP = ROOT / "target" / os.environ.get("BENCH_PROFILE", "release") / "songkeep"
SONG_BYTES = 8 << 20
RANGE_BYTES = 256 << 10
LIBRARY_SONGS = 10_000
ACCOUNT = {"email": "bench@example.com", "password": "correct horse"}
# Whole ones: wrk takes no others.
SECONDS = int(os.environ.get("BENCH_SECONDS", "2"))
# Taken in turn with what they are compared with, so that what else runs on the machine hits both.
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
TOOLS = pathlib.Path(os.environ.get("SONGKEEP_TEST_TOOLS_DIR", ROOT / "target" / "test-tools"))
# After which the allocator has given back what is free.
SETTLING_SECONDS = 12


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_seconds(pid):
    """User and system time of a process and its descendants."""
    ticks = 0
    for child in [pid, *descendants(pid)]:
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def descendants(pid):
    found = []
    with contextlib.suppress(OSError):
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def resident_mb(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024


class Server:
    """A child process that is ended by its pid."""

    def __init__(self, command, log, env=None):
        self.process = subprocess.Popen(command, stdout=log, stderr=log, env=env)
        self.pid = self.process.pid

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def generous_limits():
    """Rate limits that nothing here reaches."""
    return {name: "1000000" for name in (
        "RATE_LIMIT_SIGNIN_IP_PER_MIN", "RATE_LIMIT_SIGNIN_EMAIL_PER_MIN", "RATE_LIMIT_SIGNUP_IP_PER_HOUR",
        "RATE_LIMIT_SEARCH_PER_MIN", "RATE_LIMIT_IMPORT_PER_HOUR")}


def call_on(port, method, path, body=None, token=None):
    """A call of the gateway on this port; its JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {"Content-Type": "application/json"} if body is not None else {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connection.request(method, path, json.dumps(body) if body is not None else None, headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status >= 400:
        sys.exit(f"{method} {path}: {answer.status} {text.decode()}")
    return json.loads(text)


class Songkeep(Server):
    """`songkeep serve` on free ports over a data folder."""

    def __init__(self, data, log, extra=None):
        self.data = pathlib.Path(data)
        self.ports = {name: free_port() for name in ("web", "gateway", "stream", "internal")}
        env = {name: value for name, value in os.environ.items() if not name.startswith(("SONGKEEP_", "IMPORT_"))}
        env |= {f"SONGKEEP_{name.upper()}_ADDR": f"127.0.0.1:{port}" for name, port in self.ports.items()}
        env |= {"SONGKEEP_DATA_DIR": str(self.data), "TOOLS_DIR": str(TOOLS), "LOG_LEVEL": "warn"}
        env |= generous_limits()
        self.started = time.monotonic()
        super().__init__([SONGKEEP, "serve"], log, env | (extra or {}))
        self.first_answer = self.wait()

    def wait(self):
        """Seconds from the start to the first answer."""
        while time.monotonic() - self.started < 30:
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", self.ports["web"], timeout=2)
                connection.request("GET", "/")
                if connection.getresponse().status == 200:
                    return time.monotonic() - self.started
            if self.process.poll() is not None:
                break
            time.sleep(0.001)
        sys.exit("songkeep did not start; see the log")

    def call(self, method, path, body=None, token=None):
        return call_on(self.ports["gateway"], method, path, body, token)

    def sign_in(self):
        return self.call("POST", "/auth/signin", ACCOUNT)["access_token"]


def wrk(url, connections, script="", headers=(), seconds=SECONDS):
    """Requests a second, MB a second, and p50 and p99 in ms."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as lua:
        lua.write(script + REPORT)
        lua.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", lua.name]
        for header in headers:
            command += ["-H", header]
        output = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    figures = json.loads(output[output.index("REPORT") + len("REPORT"):].splitlines()[0])
    if figures["bad"] or not figures["n"]:
        sys.exit(f"{figures['bad']} answers were errors, {figures['n']} were none: {url.split('?')[0]}")
    return figures


REPORT = """
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('REPORT{"n":%d,"rps":%f,"mbs":%f,"p50":%f,"p99":%f,"bad":%d}\\n', summary.requests,
    summary.requests / summary.duration * 1e6, summary.bytes / summary.duration, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, e.connect + e.read + e.write + e.status + e.timeout))
end
"""
RANGES = f"""
math.randomseed(7)
request = function()
  local at = math.random(0, {SONG_BYTES // RANGE_BYTES - 1}) * {RANGE_BYTES}
  return wrk.format("GET", nil, {{["Range"] = "bytes=" .. at .. "-" .. at + {RANGE_BYTES - 1}}})
end
"""


def median_of(runs, name):
    return statistics.median(run[name] for run in runs)


def row(*cells, widths=(30, 10, 12, 10, 10, 10, 12, 8)):
    print("  ".join(str(cell).ljust(width) if at == 0 else str(cell).rjust(width)
                    for at, (cell, width) in enumerate(zip(cells, widths))))


def youtube_settings(youtube, output):
    """What the stand-in says that Songkeep needs; it makes its songs first."""
    for _ in range(1_200):
        output.seek(0)
        said = re.search(r"IMPORT_UPSTREAM_PROXY=(\S+) IMPORT_CA_FILE=(\S+)", output.read())
        if said:
            return said[1], said[2]
        if youtube.process.poll() is not None:
            break
        time.sleep(0.1)
    sys.exit("the stand-in for YouTube did not start")
