# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A VMM that does what a test tells it: it speaks the monitor's protocol, and runs nothing.

It answers as gmem-vmm does, one client at a time, until it is told to hold answers back, to say things on
its own or a thousand times, or to leave its client. What the daemon asks is counted.
"""

import collections
import contextlib
import json
import os
import select
import signal
import socket
import sys
import time


class FakeVmm(contextlib.ExitStack):
    """The test's end; a context manager. It has to be there before the daemon is."""

    def __init__(self, name="test", **options):
        # Imported here, since the other end runs this file as a program.
        from .adopted import AdoptedVmm, RUNNING
        super().__init__()
        ours, theirs = socket.socketpair()
        self._orders = self.enter_context(ours)
        with theirs:
            vmm = AdoptedVmm(name, lambda monitor: [sys.executable, os.path.abspath(__file__),
                                                    str(monitor), str(theirs.fileno())],
                             pass_fds=[theirs.fileno()], **{"state": RUNNING, **options})
        self._vmm = self.enter_context(vmm)
        self._answers = self._orders.makefile("r", encoding="utf-8")
        self.callback(self._answers.close)
        self.name, self.uuid = vmm.name, vmm.uuid

    @property
    def pid(self):
        return self._vmm.process.pid

    def is_running(self):
        return self._vmm.is_running()

    def order(self, what, **arguments):
        """Has it do something; what it says of that, once it is done."""
        self._orders.sendall(json.dumps({"do": what, **arguments}).encode() + b"\n")
        return json.loads(self._answers.readline())

    def hold(self, *commands):
        """From now on it does not answer these commands, and does not do them."""
        self.order("hold", commands=commands)

    def release(self):
        """It does and answers what it has held back, in order."""
        self.order("release")

    def fail(self, *commands):
        """From now on it refuses these commands, held back or not."""
        self.order("fail", commands=commands)

    def say(self, event, **data):
        self.order("say", event=event, data=data)

    def flood(self, *events, seconds):
        """Says these (name, data) in turn, again and again; how many were taken from it."""
        return self.order("flood", events=events, seconds=seconds)["said"]

    def counts(self):
        """How often each command has come, and how many of each are held back."""
        answer = self.order("count")
        return collections.Counter(answer["asked"]), collections.Counter(answer["held"])


class _Vmm:
    """The other end."""

    def __init__(self, listener, orders):
        self._listener = socket.socket(fileno=listener)
        self._orders = socket.socket(fileno=orders)
        self._client = None
        self._received = {"client": b"", "orders": b""}
        self._status = "running"
        self._asked = collections.Counter()
        self._holding = set()
        self._failing = set()
        self._held = []
        # None: it is one that does not know qom-list, query-block or query-iothreads.
        self._devices = None
        self._drives = None
        self._iothreads = None

    def run(self):
        while True:
            fds = [self._orders, self._client or self._listener]
            for ready in select.select(fds, [], [])[0]:
                if ready is self._orders:
                    self._read("orders", ready, self._obey)
                elif ready is self._listener:
                    self._greet()
                elif ready is self._client:
                    self._read("client", ready, self._handle)

    def _read(self, which, source, handle):
        try:
            data = source.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data and which == "orders":
            sys.exit()
        if not data:
            self._leave()
            return
        *lines, self._received[which] = (self._received[which] + data).split(b"\n")
        for line in lines:
            handle(json.loads(line))

    def _greet(self):
        self._client, _ = self._listener.accept()
        self._send({"QMP": {"version": {}, "capabilities": []}})

    def _leave(self):
        if self._client:
            self._client.close()
        self._client = None
        self._received["client"] = b""
        self._held.clear()

    def _send(self, message):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if self._client:
                self._client.sendall(json.dumps(message).encode() + b"\r\n")

    def _event(self, event, **data):
        self._send({"event": event, "data": data})

    def _handle(self, request):
        self._asked[request["execute"]] += 1
        if request["execute"] in self._holding:
            self._held.append(request)
        else:
            self._do(request)

    def _do(self, request):
        command = request["execute"]
        result = {}
        known = {"qom-list": self._devices, "query-block": self._drives, "query-iothreads": self._iothreads}
        if known.get(command, True) is None:
            self._refuse(request, "CommandNotFound", "no such command")
            return
        if command in self._failing:
            self._refuse(request, "GenericError", f"{command} is refused")
            return
        if command == "query-status":
            result = {"status": self._status, "running": self._status == "running"}
        elif command == "query-cpus-fast":
            result = [{"cpu-index": 0, "thread-id": os.getpid()}]
        elif command == "qom-list":
            result = [{"name": name, "type": "child<device>"} for name in self._devices]
        elif command == "query-block":
            result = self._drives
        elif command == "query-iothreads":
            result = self._iothreads
        elif command == "query-conversion-stats":
            result = {"policy": "on-demand", "private-bytes": 4096, "registered-bytes": 8192,
                      "transfers": {"plain": {"count": 1, "bytes": 512},
                                    "window": {"count": 2, "bytes": 1024},
                                    "registered": {"count": 3, "bytes": 4096},
                                    "courier": "none", "pigeon": {"count": 4, "bytes": 8}},
                      "conversions": []}
        elif command == "stop" and self._status == "running":
            self._status = "paused"
            self._event("STOP")
        elif command == "cont" and self._status != "running":
            self._status = "running"
            self._event("RESUME")
        elif command == "system_reset":
            if self._status != "running":
                self._status = "prelaunch"
            self._event("RESET", guest=False, reason="host-qmp-system-reset")
        self._send({"return": result, **({"id": request["id"]} if "id" in request else {})})

    def _refuse(self, request, kind, why):
        self._send({"error": {"class": kind, "desc": why}, "id": request["id"]})

    def _obey(self, order):
        answer = getattr(self, "_order_" + order.pop("do"))(**order)
        self._orders.sendall(json.dumps(answer or {}).encode() + b"\n")

    def _order_hold(self, commands):
        self._holding = set(commands)

    def _order_release(self):
        self._holding = set()
        held, self._held = self._held, []
        for request in held:
            self._do(request)

    def _order_fail(self, commands):
        self._failing = set(commands)

    def _order_release_one(self):
        self._do(self._held.pop(0))

    def _order_say(self, event, data):
        if event == "SHUTDOWN":
            self._status = "shutdown"
        self._event(event, **data)

    def _order_flood(self, events, seconds):
        data = b"".join(json.dumps({"event": name, "data": data}).encode() + b"\r\n"
                        for name, data in events)
        end, sent = time.monotonic() + seconds, 0
        while (left := end - time.monotonic()) > 0 and self._client:
            if select.select([], [self._client], [], left)[1]:
                try:
                    # From within a message on, where the last turn was not taken whole.
                    sent += self._client.send((data[sent % len(data):] + data * 20),
                                              socket.MSG_DONTWAIT)
                except BlockingIOError:
                    continue
                except (BrokenPipeError, ConnectionResetError):
                    self._leave()
        # What was begun is said to its end, so that answers can follow.
        if self._client and sent % len(data):
            self._client.sendall(data[sent % len(data):])
        return {"said": sent // len(data) * len(events)}

    def _order_devices(self, names):
        """It has these from now on."""
        self._devices = names

    def _order_drives(self, drives):
        """What it says of its CD-ROM drives from now on."""
        self._drives = drives

    def _order_iothreads(self, threads):
        """What it says of its threads from now on."""
        self._iothreads = threads

    def _order_leave(self):
        self._leave()

    def _order_refuse(self, turns):
        """Clients that are there or come are left, so many, before one is greeted again."""
        self._leave()
        for _ in range(turns):
            self._listener.accept()[0].close()

    def _order_blob(self, size):
        """One object that is larger than any the monitor's protocol has."""
        self._event("RESET", reason="x" * size)

    def _order_ignore_sigterm(self):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def _order_count(self):
        return {"asked": self._asked,
                "held": collections.Counter(request["execute"] for request in self._held)}


if __name__ == "__main__":
    _Vmm(int(sys.argv[1]), int(sys.argv[2])).run()
