#!/usr/bin/env python3
"""Measures Songkeep beside nginx and beside doing things by hand, and prints tables.

usage: python3 bench/run.py [SECTION ...]      sections: stream library signin memory start import
BENCH_PROFILE=dist measures that build instead of the release one; BENCH_SECONDS and BENCH_ROUNDS set length and number
of rounds.

Everything runs on loopback and is ended by its pid. Figures of one run can be compared with each other; figures of
two runs or machines cannot. Needs `make build`, nginx and wrk (Debian: nginx-light, wrk).
"""

import contextlib
import hashlib
import json
import os
import pathlib
import random
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid

from kit import (ACCOUNT, LIBRARY_SONGS, RANGE_BYTES, RANGES, RELEASE, ROUNDS, SECONDS, SETTLING_SECONDS, SONGKEEP,
                 SONG_BYTES, TOOLS, Server, Songkeep, cpu_seconds, free_port, median_of, resident_mb, row, wrk,
                 youtube_settings)


def seed(data):
    """Puts one song with real bytes and a library of many songs into the database; the song's id."""
    audio = random.Random(1).randbytes(SONG_BYTES)
    digest = hashlib.sha256(audio).hexdigest()
    key = f"audio/{digest[:2]}/{digest}.mp4"
    path = pathlib.Path(data) / "blobs" / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(audio)
    database = sqlite3.connect(pathlib.Path(data) / "songkeep.db", isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    user, = database.execute("SELECT id FROM users").fetchone()
    now = time.time_ns() // 1000
    first = None
    for number in range(LIBRARY_SONGS):
        song = uuid.UUID(int=(now // 1000 << 80) | (7 << 76) | (2 << 62) | number).bytes
        first = first or song
        title, artist = f"Song {number:05}", f"Artist {number % 700:03}"
        database.execute(
            "INSERT INTO songs (id, source_provider, source_id, title, artist, album, search_text, channel, container, "
            "codec, bitrate_kbps, duration_ms, sha256, storage_key, size_bytes, created_at) "
            "VALUES (?, 'youtube', ?, ?, ?, ?, ?, ?, 'mp4', 'opus', 128, 3600000, ?, ?, ?, ?)",
            (song, f"bench{number:06}", title, artist, f"Album {number % 1500}", f"{title} {artist}".lower(), artist,
             digest, key, SONG_BYTES, now))
        database.execute(
            "INSERT INTO library_entries (user_id, song_id, sort_title, sort_artist, sort_album, search_text, "
            "duration_ms, added_at) VALUES (?, ?, ?, ?, ?, ?, 3600000, ?)",
            (user, song, title.lower(), artist.lower(), f"album {number % 1500}", f"{title} {artist}".lower(), now + number))
    database.execute("UPDATE users SET song_count = ?", (LIBRARY_SONGS,))
    database.execute("COMMIT")
    database.close()
    return str(uuid.UUID(bytes=first)), path


@contextlib.contextmanager
def seeded(log, extra=None):
    """A running Songkeep with an account and a full library."""
    with tempfile.TemporaryDirectory() as data:
        server = Songkeep(data, log, extra)
        server.call("POST", "/auth/signup", ACCOUNT)
        song, path = seed(data)
        try:
            yield server, song, path
        finally:
            server.stop()


def start_nginx(path, folder, log):
    port = free_port()
    config = pathlib.Path(folder) / "nginx.conf"
    config.write_text(f"""
daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000; open_file_cache max=100;
  types {{ audio/mp4 mp4; }}
  server {{ listen 127.0.0.1:{port}; root {path.parent}; }}
}}
""")
    # Its workers drop root, and must reach the file all the same.
    user = ["-g", "user root;"] if os.geteuid() == 0 else []
    server = Server(["nginx", "-p", folder, "-c", str(config), *user], log)
    url = f"http://127.0.0.1:{port}/{path.name}"
    for _ in range(500):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        time.sleep(0.01)
    return server, url


def bench_stream(log):
    print(f"\nstream: one file of {SONG_BYTES >> 20} MiB, whole and in ranges of {RANGE_BYTES >> 10} KiB; "
          f"median of {ROUNDS} rounds of {SECONDS} s, in turn with nginx (sendfile)")
    row("", "conns", "requests/s", "MB/s", "p50 ms", "p99 ms", "CPU µs/req", "ratio")
    with seeded(log) as (server, song, path), tempfile.TemporaryDirectory() as folder:
        nginx, nginx_url = start_nginx(path, folder, log)
        url = server.call("GET", f"/stream/{song}", token=server.sign_in())["stream_url"]
        try:
            wrk(url, 1, seconds=1), wrk(nginx_url, 1, seconds=1)
            for kind, script in (("whole file", ""), ("256 KiB ranges", RANGES)):
                for connections in (1, 16, 64):
                    runs = {"songkeep": [], "nginx": []}
                    for _ in range(ROUNDS):
                        for name, target, process in (("songkeep", url, server), ("nginx", nginx_url, nginx)):
                            before = cpu_seconds(process.pid)
                            figures = wrk(target, connections, script)
                            figures["cpu"] = (cpu_seconds(process.pid) - before) / figures["n"] * 1e6
                            runs[name].append(figures)
                    ratio = statistics.median(a["rps"] / b["rps"] for a, b in zip(runs["songkeep"], runs["nginx"]))
                    for name, measured in runs.items():
                        row(f"{kind}, {name}", connections, *(f"{median_of(measured, figure):,.{digits}f}" for figure, digits in (
                            ("rps", 0), ("mbs", 0), ("p50", 2), ("p99", 2), ("cpu", 0))),
                            f"{ratio:.2f}" if name == "songkeep" else "1")
        finally:
            nginx.stop()


def bench_library(log):
    print(f"\nlibrary: GET /library?limit=50 of {LIBRARY_SONGS:,} songs, signed in (target: 5,000/s at 16 connections); "
          f"median of {ROUNDS} rounds of {SECONDS} s")
    row("", "conns", "requests/s", "MB/s", "p50 ms", "p99 ms", "CPU µs/req")
    with seeded(log) as (server, _, _):
        token = server.sign_in()
        url = f"http://127.0.0.1:{server.ports['gateway']}/library?limit=50"
        pages = ["/library?limit=50"]
        while cursor := server.call("GET", pages[-1], token=token)["next_cursor"]:
            pages.append(f"/library?limit=50&cursor={cursor}")
        walk = (f"local pages = {{{', '.join(map(json.dumps, pages))}}}\nlocal at = 0\nrequest = function()\n"
                f"  at = at % #pages + 1\n  return wrk.format('GET', pages[at])\nend\n")
        for kind, script, connections in (("first page", "", 1), ("first page", "", 16), (f"{len(pages)} pages in turn", walk, 16)):
            runs = []
            for _ in range(ROUNDS):
                before = cpu_seconds(server.pid)
                figures = wrk(url, connections, script, [f"Authorization: Bearer {token}"])
                figures["cpu"] = (cpu_seconds(server.pid) - before) / figures["n"] * 1e6
                runs.append(figures)
            row(kind, connections, *(f"{median_of(runs, figure):,.{digits}f}" for figure, digits in (
                ("rps", 0), ("mbs", 0), ("p50", 2), ("p99", 2), ("cpu", 0))))


def bench_signin(log):
    print("\nsignin: POST /auth/signin beside the bare hash rate of the same machine (target: 0.9 of it)")
    hashes, signins = [], []
    script = (f"wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\n"
              f"wrk.body = '{json.dumps(ACCOUNT)}'\n")
    with tempfile.TemporaryDirectory() as data:
        server = Songkeep(data, log)
        try:
            server.call("POST", "/auth/signup", ACCOUNT)
            url = f"http://127.0.0.1:{server.ports['gateway']}/auth/signin"
            for _ in range(ROUNDS):
                # Twice as long as the others: few come to an end, and what is under way at the end is lost.
                command = [RELEASE / "examples" / "hash_rate", str(2 * SECONDS)]
                hashes.append(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
                signins.append(wrk(url, 8, script, seconds=2 * SECONDS)["rps"])
        finally:
            server.stop()
    ratio = statistics.median(a / b for a, b in zip(signins, hashes))
    print(f"  hashes/s {statistics.median(hashes):.1f}   sign-ins/s {statistics.median(signins):.1f}   ratio {ratio:.2f}")


def bench_memory(log):
    print(f"\nmemory: resident, tool workers apart, each {SETTLING_SECONDS} s after what it names (target: 60 MB idle)")
    with tempfile.TemporaryDirectory() as data:
        server = Songkeep(data, log)
        try:
            time.sleep(SETTLING_SECONDS)
            print(f"  start {resident_mb(server.pid):.0f} MB", flush=True)
        finally:
            server.stop()
    with seeded(log) as (server, song, _):
        token = server.sign_in()
        time.sleep(SETTLING_SECONDS)
        print(f"  sign-up and sign-in {resident_mb(server.pid):.0f} MB", flush=True)
        base = f"http://127.0.0.1:{server.ports['gateway']}"
        wrk(f"{base}/library?limit=50", 16, headers=[f"Authorization: Bearer {token}"])
        wrk(server.call("GET", f"/stream/{song}", token=token)["stream_url"], 64)
        print(f"  library and stream at 64 connections: at once {resident_mb(server.pid):.0f} MB", end="", flush=True)
        time.sleep(SETTLING_SECONDS)
        print(f", later {resident_mb(server.pid):.0f} MB")


def bench_start(log):
    print("\nstart: from exec to the first answer on a warm data folder (target: 100 ms)")
    times = []
    with tempfile.TemporaryDirectory() as data:
        for _ in range(8):
            server = Songkeep(data, log)
            times.append(server.first_answer * 1e3)
            server.stop()
    print(f"  first (makes the database) {times[0]:.0f} ms   then median {statistics.median(times[1:]):.0f} ms   "
          f"max {max(times[1:]):.0f} ms")


def bench_import(log):
    print("\nimport: seconds a song beside yt-dlp and ffmpeg -c copy by hand, with the same tools, through the stand-in for "
          "YouTube (target: 1.2)")
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryDirectory() as data:
        youtube = Server([RELEASE / "fake-youtube", "--port", "0"], output)
        try:
            proxy, ca = youtube_settings(youtube, output)
            server = Songkeep(data, log, {"IMPORT_UPSTREAM_PROXY": proxy, "IMPORT_CA_FILE": ca})
            try:
                ours, hand = import_times(server, proxy, ca, data)
            finally:
                server.stop()
        finally:
            youtube.stop()
    ratio = statistics.median(a / b for a, b in zip(ours, hand))
    print(f"  songs {len(ours)}   songkeep {statistics.median(ours):.2f} s   by hand {statistics.median(hand):.2f} s   ratio {ratio:.2f}")


def import_times(server, proxy, ca, folder):
    server.call("POST", "/auth/signup", ACCOUNT)
    token = server.sign_in()
    ids = set()
    for word in ("over", "keeper", "paper", "tea", "lune", "northbound", "bicycle", "the"):
        hits = server.call("GET", f"/songs/search?q={word}&limit=50", token=token)["candidates"]
        ids |= {hit["source_id"] for hit in hits}
    # What Songkeep found to work: the same Python, yt-dlp, JavaScript runtime and ffmpeg.
    tools = json.loads(max((TOOLS / "current").glob("passed-*.json"), key=os.path.getmtime).read_text())
    runtime = tools["js_runtime"]
    command = [tools["interpreter"]["python"], "-m", "yt_dlp", "--ignore-config", "--no-cache-dir", "-q", "--proxy", proxy,
               "--compat-options", "no-certifi", "--js-runtimes", f"{runtime['name']}:{runtime['path']}",
               "--fixup", "never", "-f", "ba[acodec=opus]/ba[ext=m4a]/ba"]
    env = os.environ | {"SSL_CERT_FILE": ca, "PYTHONPATH": tools["interpreter"]["site"]}
    ours, hand = [], []
    for number, source in enumerate(sorted(ids)):
        began = time.monotonic()
        job = server.call("POST", "/songs/import", {"source_provider": "youtube", "source_id": source}, token)
        while job["status"] in ("queued", "processing"):
            time.sleep(0.01)
            job = server.call("GET", f"/jobs/{job['job_id'] if 'job_id' in job else job['id']}", token=token)
        ours.append(time.monotonic() - began)
        if job["status"] != "completed":
            sys.exit(f"an import failed: {job}")
        raw, final = f"{folder}/{number}.raw", f"{folder}/{number}.mp4"
        began = time.monotonic()
        subprocess.run([*command, "-o", raw, f"https://www.youtube.com/watch?v={source}"], env=env, check=True)
        subprocess.run([tools["ffmpeg"], "-v", "error", "-i", raw, "-c", "copy", "-movflags", "+faststart", "-f", "mp4", final],
                       check=True)
        hand.append(time.monotonic() - began)
    if len(ours) < 3:
        sys.exit(f"only {len(ours)} songs were found")
    # The first of each warms caches.
    return ours[1:], hand[1:]


SECTIONS = {"stream": bench_stream, "library": bench_library, "signin": bench_signin, "memory": bench_memory,
            "start": bench_start, "import": bench_import}


def main():
    missing = [package for program, package in (("nginx", "nginx-light"), ("wrk", "wrk"))
               if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin")]
    if missing:
        sys.exit(f"The benchmarks need these Debian packages: {' '.join(missing)}")
    os.environ["PATH"] += ":/usr/sbin"
    wanted = sys.argv[1:] or list(SECTIONS)
    unknown = [name for name in wanted if name not in SECTIONS]
    if unknown:
        sys.exit(f"unknown section {unknown[0]}; there are {', '.join(SECTIONS)}")
    print(f"{os.cpu_count()} cores, Linux {os.uname().release}, {SONGKEEP}")
    with open(pathlib.Path(tempfile.gettempdir()) / "songkeep-bench.log", "w") as log:
        # So that no server installs them while it is measured.
        subprocess.run([SONGKEEP, "tools", "provision", "--dir", TOOLS], check=True, stdout=log, stderr=log)
        for name in wanted:
            SECTIONS[name](log)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
