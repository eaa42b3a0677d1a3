# SPDX-License-Identifier: LGPL-2.1-or-later
"""gmem-logger without a daemon: a process that writes what comes through pipes to files."""

import os
import subprocess

from .vmm import LOGGER


class Logger:
    """A logger and the ends of its pipes, by the names of the files; a context manager."""

    def __init__(self, folder, *names, max_size=1 << 20, max_backups=3):
        self.pipes = {}
        arguments, descriptors = [], []
        for name in names:
            reader, self.pipes[name] = os.pipe()
            file = os.open(os.path.join(folder, name),
                           os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            place = os.open(folder, os.O_PATH | os.O_DIRECTORY)
            descriptors += [reader, file, place]
            arguments.append(f"--stream={reader}:{file}:{place}:{name}")
        self.process = subprocess.Popen(
            [LOGGER, f"--max-size={max_size}", f"--max-backups={max_backups}", *arguments],
            pass_fds=descriptors, start_new_session=True)
        for descriptor in descriptors:
            os.close(descriptor)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close_pipes()
        self.process.kill()
        self.process.wait()

    def write(self, name, data):
        """Writes all of it, however long that takes."""
        while data:
            data = data[os.write(self.pipes[name], data):]

    def close_pipes(self):
        """Nothing more will come from here."""
        for pipe in self.pipes.values():
            os.close(pipe)
        self.pipes = {}

    def end(self, seconds=30):
        """Waits until all that was written is in the files; the exit status."""
        self.close_pipes()
        return self.process.wait(seconds)


def sizes(folder, name):
    """How large a file and its backups are, the newest first; they may be put aside meanwhile."""
    path = os.path.join(folder, name)
    found = []
    while True:
        try:
            found.append(os.path.getsize(path))
        except FileNotFoundError:
            return found
        path = os.path.join(folder, f"{name}.{len(found) - 1}")
