#!/usr/bin/env python3
"""Measures what it costs to run each role on its own over PostgreSQL, Redis and S3, beside all roles in one process
over the same servers, and prints tables.

usage: with-test-servers -- python3 bench/distributed.py [SECTION ...]      sections: memory hop bytes start imports
`make bench-distributed` builds all and does that. BENCH_SECONDS and BENCH_ROUNDS set length and number of rounds.

Everything runs on loopback, servers and load beside each other on the same cores, so that only figures of one run can
be compared with each other.
"""

import contextlib
import http.client
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid

from kit import (ACCOUNT, RELEASE, ROUNDS, SECONDS, SETTLING_SECONDS, SONGKEEP, TOOLS, Server, call_on, free_port,
                 generous_limits, median_of, resident_mb, row, wrk, youtube_settings)

SECRET = "only for benchmarks, and long enough for them"
# In the order of their start: a process must know where those are that it calls.
SERVICES = ("auth", "search", "catalog", "download", "admin")
WORKERS = (1, 2)
IMPORTS = 24


class Fleet:
    """A gateway's address, and the processes behind it: one with all roles, or one for each."""

    def __init__(self, split, shared, log, workers=1):
        self.processes, self.log, self.shared = {}, log, shared
        self.folder = tempfile.TemporaryDirectory()
        if split:
            self._start_each(workers)
        else:
            self.gateway = self._start("songkeep", [], {})["gateway"]

    def _start_each(self, workers):
        urls = {}
        for role in SERVICES:
            urls[f"{role.upper()}_SERVICE_URL"] = f"http://127.0.0.1:{self._start(role, [role], {})['internal']}"
        urls["STREAM_SERVICE_URL"] = f"http://127.0.0.1:{self._start('stream', ['stream'], {})['stream']}"
        for number in range(workers):
            self._start(f"worker {number + 1}", ["worker"], {})
        # Addresses of songs are made from the gateway's own, so it must know where they are.
        stream = urls["STREAM_SERVICE_URL"]
        self.gateway = self._start("gateway", ["gateway"], urls | {"PUBLIC_STREAM_BASE": stream})["gateway"]
        self._start("web", ["web"], {"GATEWAY_SERVICE_URL": f"http://127.0.0.1:{self.gateway}", **urls})

    def _start(self, name, roles, extra):
        ports = {listener: free_port() for listener in ("web", "gateway", "stream", "internal")}
        env = {key: value for key, value in os.environ.items() if not key.startswith(("SONGKEEP_", "IMPORT_"))}
        env |= {f"SONGKEEP_{listener.upper()}_ADDR": f"127.0.0.1:{port}" for listener, port in ports.items()}
        env |= {"SONGKEEP_DATA_DIR": str(pathlib.Path(self.folder.name) / name.replace(" ", "-")), "LOG_LEVEL": "warn",
                "JWT_SECRET": SECRET, "INTERNAL_SERVICE_SECRET": SECRET[::-1], "TOOLS_DIR": str(TOOLS)}
        command = [SONGKEEP, "serve", *(["--roles", ",".join(roles)] if roles else [])]
        self.processes[name] = Server(command, self.log, env | generous_limits() | self.shared | extra)
        wait_until_ready(name, ports["internal"], self.processes[name])
        return ports

    def call(self, method, path, body=None, token=None):
        return call_on(self.gateway, method, path, body, token)

    def stop(self):
        # Those that are called are ended after those that call them.
        for process in reversed(self.processes.values()):
            process.stop()
        self.folder.cleanup()


@contextlib.contextmanager
def fleet(split, shared, log, **how):
    started = Fleet(split, shared, log, **how)
    try:
        yield started
    finally:
        started.stop()


def wait_until_ready(name, port, process):
    for _ in range(600):
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/ready")
            if connection.getresponse().status == 200:
                return
        if process.process.poll() is not None:
            break
        time.sleep(0.05)
    sys.exit(f"{name} did not get ready; see the log")


def shared_settings(log, youtube):
    """A fresh database, bucket and namespace on the servers that `with-test-servers` started."""
    name = f"bench_{uuid.uuid4().hex[:12]}"
    server = os.environ["SONGKEEP_TEST_POSTGRES_URL"]
    programs = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/psql"))
    psql = str(programs[-1]) if programs else "psql"
    subprocess.run([psql, "-q", f"{server}/postgres", "-c", f"CREATE DATABASE {name}"], check=True, stdout=log)
    proxy, ca = youtube
    settings = {
        "DATABASE_URL": f"{server}/{name}", "REDIS_URL": os.environ["SONGKEEP_TEST_REDIS_URL"], "REDIS_NAMESPACE": name,
        "S3_ENDPOINT": os.environ["SONGKEEP_TEST_S3_ENDPOINT"], "S3_ACCESS_KEY": "testaccesskey",
        "S3_SECRET_KEY": "testsecretkey", "S3_BUCKET": name.replace("_", "-"),
        "IMPORT_UPSTREAM_PROXY": proxy, "IMPORT_CA_FILE": ca,
    }
    subprocess.run([SONGKEEP, "migrate"], check=True, stdout=log, stderr=log, env=os.environ | settings)
    return settings


def sign_in(node):
    return node.call("POST", "/auth/signin", ACCOUNT)["access_token"]


def search_ids(node, token):
    ids = set()
    for word in ("over", "keeper", "paper", "tea", "lune", "northbound", "bicycle", "the"):
        hits = node.call("GET", f"/songs/search?q={word}&limit=50", token=token)["candidates"]
        ids |= {hit["source_id"] for hit in hits}
    return sorted(ids)


def finished(node, job, token):
    while job["status"] in ("queued", "processing"):
        time.sleep(0.02)
        job = node.call("GET", f"/jobs/{job['id']}", token=token)
    if job["status"] != "completed":
        sys.exit(f"an import failed: {job}")
    return job


def bring(node, source, token):
    return node.call("POST", "/songs/import", {"source_provider": "youtube", "source_id": source}, token)


def bench_memory(shared, log):
    print(f"\nmemory of each process, {SETTLING_SECONDS} s after the start (resident, tool workers apart)")
    with fleet(True, shared, log) as split:
        time.sleep(SETTLING_SECONDS)
        total = 0
        for name, process in split.processes.items():
            megabytes = resident_mb(process.pid)
            total += megabytes
            print(f"  {name:12} {megabytes:4.0f} MB")
    with fleet(False, shared, log) as whole:
        time.sleep(SETTLING_SECONDS)
        print(f"  together {total:.0f} MB; all roles in one process over the same servers "
              f"{resident_mb(whole.processes['songkeep'].pid):.0f} MB")


def bench_hop(shared, log):
    print(f"\nhop: calls through a gateway that reaches its services over HTTP, beside one that calls them in its own "
          f"process; median of {ROUNDS} rounds of {SECONDS} s in turn")
    row("", "conns", "split/s", "one/s", "split p50", "one p50", "p50 more", "ratio")
    with fleet(True, shared, log) as split, fleet(False, shared, log) as whole:
        token = sign_in(split)
        header = [f"Authorization: Bearer {token}"]
        for path in ("/library?limit=50", "/auth/me"):
            for connections in (1, 16):
                runs = {"split": [], "one": []}
                for _ in range(ROUNDS):
                    for name, node in (("split", split), ("one", whole)):
                        runs[name].append(wrk(f"http://127.0.0.1:{node.gateway}{path}", connections, headers=header))
                ratio = statistics.median(a["rps"] / b["rps"] for a, b in zip(runs["split"], runs["one"]))
                split_ms, one_ms = median_of(runs["split"], "p50"), median_of(runs["one"], "p50")
                row(f"GET {path}", connections, f"{median_of(runs['split'], 'rps'):,.0f}",
                    f"{median_of(runs['one'], 'rps'):,.0f}", f"{split_ms:.2f} ms", f"{one_ms:.2f} ms",
                    f"{split_ms - one_ms:.2f} ms", f"{ratio:.2f}")


def bench_bytes(shared, log):
    print(f"\nbytes: a song through the stream service beside the same from the S3 service by a presigned address; "
          f"median of {ROUNDS} rounds of {SECONDS} s in turn")
    row("", "conns", "proxied/s", "direct/s", "proxied MB/s", "direct MB/s", "", "ratio")
    redirecting = shared | {"STREAM_DELIVERY": "redirect", "S3_PUBLIC_ENDPOINT": shared["S3_ENDPOINT"]}
    with fleet(True, shared, log) as node, fleet(False, redirecting, log) as direct:
        token = sign_in(node)
        song = node.call("GET", "/library", token=token)["songs"][0]["id"]
        proxied = node.call("GET", f"/stream/{song}", token=token)["stream_url"]
        asked = direct.call("GET", f"/stream/{song}", token=token)["stream_url"]
        presigned = location_of(asked)
        small = 'request = function() return wrk.format("GET", nil, {["Range"] = "bytes=65536-131071"}) end\n'
        for kind, script in (("whole file", ""), ("64 KiB ranges", small)):
            for connections in (1, 16):
                runs = {"proxied": [], "direct": []}
                for _ in range(ROUNDS):
                    for name, url in (("proxied", proxied), ("direct", presigned)):
                        runs[name].append(wrk(url, connections, script))
                ratio = statistics.median(a["rps"] / b["rps"] for a, b in zip(runs["proxied"], runs["direct"]))
                row(kind, connections, *(f"{median_of(runs[name], figure):,.0f}" for figure in ("rps", "mbs")
                    for name in ("proxied", "direct")), "", f"{ratio:.2f}")


def location_of(url):
    host, path = url.removeprefix("http://").split("/", 1)
    connection = http.client.HTTPConnection(host, timeout=30)
    connection.request("GET", f"/{path}")
    answer = connection.getresponse()
    if answer.status != 302:
        sys.exit(f"the stream service answered {answer.status}, not by a redirect")
    return answer.headers["Location"]


def bench_start(shared, log):
    print("\nstart: from the answer to POST /songs/import to the event that a worker has begun, through all services")
    with fleet(True, shared, log) as node:
        token = sign_in(node)
        times = []
        with events(node, token) as feed:
            for source in copies(node, token)[-16:]:
                times.append(time_to_start(node, source, token, feed) * 1e3)
    times.sort()
    print(f"  jobs {len(times)}   median {statistics.median(times):.0f} ms   p90 {times[int(len(times) * 0.9)]:.0f} ms   "
          f"max {times[-1]:.0f} ms")


def time_to_start(node, source, token, feed):
    job = bring(node, source, token)
    asked = time.monotonic()
    began = None
    for event in feed:
        if event.get("id") != job["id"]:
            continue
        if began is None and event["status"] != "queued":
            began = time.monotonic() - asked
        if event["status"] in ("completed", "failed"):
            return began
    sys.exit("the events ended")


@contextlib.contextmanager
def events(node, token):
    connection = http.client.HTTPConnection("127.0.0.1", node.gateway, timeout=120)
    connection.request("GET", "/events", headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()

    def jobs():
        kind = None
        while line := answer.fp.readline():
            text = line.decode().rstrip("\r\n")
            if text.startswith("event:"):
                kind = text[6:].strip()
            elif text.startswith("data:") and kind == "job":
                yield json.loads(text[5:])
    try:
        yield jobs()
    finally:
        connection.close()


def bench_imports(shared, log):
    print(f"\nimports: {IMPORTS} songs asked for at once, IMPORT_WORKERS=2 in each worker")
    offset = 0
    for workers in WORKERS:
        with fleet(True, shared, log, workers=workers) as node:
            token = sign_in(node)
            sources = copies(node, token)[offset:offset + IMPORTS]
            offset += IMPORTS
            began = time.monotonic()
            jobs = [bring(node, source, token) for source in sources]
            for job in jobs:
                finished(node, job, token)
            seconds = time.monotonic() - began
            print(f"  {workers} worker{'s' if workers > 1 else ' '}   {len(jobs)} songs in {seconds:.1f} s   "
                  f"{len(jobs) / seconds:.2f} a second")


def copies(node, token):
    """Sources that no other section imports."""
    found = set()
    for number in range(1, 9):
        hits = node.call("GET", f"/songs/search?q=No.+{number}&limit=50", token=token)["candidates"]
        found |= {hit["source_id"] for hit in hits if "No." in hit["title"]}
    return sorted(found)


SECTIONS = {"memory": bench_memory, "hop": bench_hop, "bytes": bench_bytes, "start": bench_start, "imports": bench_imports}


def main():
    wanted = sys.argv[1:] or list(SECTIONS)
    unknown = [name for name in wanted if name not in SECTIONS]
    if unknown:
        sys.exit(f"unknown section {unknown[0]}; there are {', '.join(SECTIONS)}")
    if "SONGKEEP_TEST_POSTGRES_URL" not in os.environ:
        sys.exit("run this by `make bench-distributed`, which starts the servers that it needs")
    print(f"{os.cpu_count()} cores, Linux {os.uname().release}, {SONGKEEP}")
    log_file = pathlib.Path(tempfile.gettempdir()) / "songkeep-bench-distributed.log"
    with open(log_file, "w") as log, tempfile.TemporaryFile("w+") as output:
        subprocess.run([SONGKEEP, "tools", "provision", "--dir", TOOLS], check=True, stdout=log, stderr=log)
        youtube = Server([RELEASE / "fake-youtube", "--port", "0", "--copies", "200"], output)
        try:
            shared = shared_settings(log, youtube_settings(youtube, output))
            with fleet(False, shared, log) as node:
                node.call("POST", "/auth/signup", ACCOUNT)
                token = sign_in(node)
                first = search_ids(node, token)[-1]
                finished(node, bring(node, first, token), token)
            for name in wanted:
                SECTIONS[name](shared, log)
                sys.stdout.flush()
        finally:
            youtube.process.send_signal(signal.SIGINT)
            youtube.stop()


if __name__ == "__main__":
    main()
