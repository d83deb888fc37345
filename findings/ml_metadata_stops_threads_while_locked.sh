#!/usr/bin/env bash
# ML Metadata's client stops all threads of a process while it opens an SQLite file that another process has locked.
#
# Versions: ml-metadata==1.16.0, protobuf==3.20.3, Python 3.10 (PYTHON names the interpreter; default python3.10).
# Guess before running: another thread of the process goes on meanwhile, and can say that the client waits for the lock;
# when the lock is free, the store is open.
# Seen: the client waits inside its C++ code without releasing the interpreter's lock, so a thread that should tick ten
# times a second stands still. Then it fails, although the lock is free by then, and says that tables are missing:
#
#   RuntimeError after 12.2 s: There are a subset of tables in MLMD instance. This may be due to concurrent connec
#   longest pause of the other thread: 12.2 s
#
# A message such as "waiting for the lock" must come from another process (this project's lock_watch starts one), and
# whoever opens a store must try again. Reads and writes of an open store behave better: the client sleeps in Python
# between its attempts.
# The script exits non-zero where the client behaves otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.10}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ml-metadata==1.16.0 protobuf==3.20.3
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import subprocess
import sys
import threading
import time

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

connection = metadata_store_pb2.ConnectionConfig()
connection.sqlite.filename_uri = "metadata.sqlite"
connection.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
metadata_store.MetadataStore(connection)
hold = (
    "import sqlite3, time; held = sqlite3.connect('metadata.sqlite'); held.execute('begin exclusive'); "
    "print(flush=True); time.sleep(12)"
)
holder = subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE)
holder.stdout.readline()
ticks = [time.monotonic()]


def tick():
    while True:
        time.sleep(0.1)
        ticks.append(time.monotonic())


threading.Thread(target=tick, daemon=True).start()
started = time.monotonic()
message = ""
try:
    metadata_store.MetadataStore(connection)
except RuntimeError as error:
    message = str(error)
waited = time.monotonic() - started
time.sleep(0.5)
longest = max(after - before for before, after in zip(ticks, ticks[1:]))
print(f"RuntimeError after {waited:.1f} s: {message[:83]}" if message else f"opened after {waited:.1f} s")
print(f"longest pause of the other thread: {longest:.1f} s")
sys.exit(0 if message and longest > 4 else "the behaviour has changed")
PYTHON
