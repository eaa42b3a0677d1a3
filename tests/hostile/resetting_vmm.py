# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A VMM that means harm: answers its monitor as one whose guest runs, and tells of resets as fast as it is
heard, as often as it is told to.

Usage: resetting_vmm.py LISTENING-SOCKET RESETS PIPE

It begins when PIPE has something to read and the daemon has asked all that it asks of a VMM it finds.
"""

import json
import os
import socket
import sys
import threading

ANSWERS = {
    "query-status": {"status": "running", "running": True},
    "query-cpus-fast": [{"cpu-index": 0, "thread-id": os.getpid()}],
}


def line(value):
    return json.dumps(value).encode() + b"\r\n"


def answer(monitor, lock, is_known):
    with monitor.makefile("r", encoding="utf-8") as commands:
        for text in commands:
            command = json.loads(text)
            reply = {"return": ANSWERS.get(command["execute"], {})}
            if "id" in command:
                reply["id"] = command["id"]
            with lock:
                monitor.sendall(line(reply))
            if command["execute"] == "query-cpus-fast":
                is_known.set()


def main(listening, n_resets, begin):
    monitor, _ = socket.socket(fileno=listening).accept()
    lock = threading.Lock()
    is_known = threading.Event()
    monitor.sendall(line({"QMP": {"version": {}, "capabilities": []}}))
    threading.Thread(target=answer, args=(monitor, lock, is_known), daemon=True).start()
    is_known.wait()
    os.read(begin, 1)
    event = line({"event": "RESET", "data": {"guest": True},
                  "timestamp": {"seconds": 1, "microseconds": 0}})
    for _ in range(0, n_resets, 10):
        with lock:
            monitor.sendall(event * 10)
    threading.Event().wait()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
