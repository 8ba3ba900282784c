"""Ways out of a worker, each a few lines that a student could write.

Each ends with ``escaped`` true if it worked. ``OUTSIDE`` is a folder with a file ``secret.txt``,
``PORT`` a port on which somebody listens, ``PID`` the number of the process that grades.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Escape:
    """One way out: what it is in words, which part of the sandbox stops it, and its lines."""

    title: str
    stopped_by: str
    source: str


def attempt(lines: str) -> str:
    """Lines that set ``escaped`` to whether they ran without an OSError."""
    body = "".join(f"    {line}\n" for line in lines.strip().splitlines())
    return f"escaped = False\ntry:\n{body}    escaped = True\nexcept OSError: pass\n"


def syscall(expression: str) -> str:
    """Lines that set ``escaped`` to whether a call into the C library did not fail."""
    return f"import ctypes\nlibc = ctypes.CDLL(None)\nescaped = {expression} >= 0\n"


ESCAPES = [
    Escape("read a file outside", "landlock", attempt("open('OUTSIDE/secret.txt').read()")),
    Escape("write a file outside", "landlock", attempt("open('OUTSIDE/new.txt', 'w').write('x')")),
    Escape(
        "delete a file outside",
        "landlock",
        attempt("__import__('os').remove('OUTSIDE/secret.txt')"),
    ),
    Escape("list a folder outside", "landlock", attempt("__import__('os').listdir('OUTSIDE')")),
    Escape(
        "read outside through a link",
        "landlock",
        attempt(
            "import os\nos.path.lexists('l') or os.symlink('OUTSIDE/secret.txt', 'l')\n"
            "open('l').read()"
        ),
    ),
    Escape("read the hidden checks", "landlock", attempt("open('CHECKS').read()")),
    Escape(
        "fill the disk",
        "disk",
        attempt(
            "for n in range(12):\n    with open(f'fill{n}', 'wb') as f: f.write(bytes(50 << 20))"
        ),
    ),
    Escape(
        "write one endless file",
        "rlimits",
        attempt(
            "import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "open('big', 'wb').truncate(1 << 40)"
        ),
    ),
    Escape(
        "use all memory",
        "rlimits",
        "escaped = True\ntry: bytearray(1 << 42)\nexcept MemoryError: escaped = False\n",
    ),
    Escape(
        "connect to a port",
        "seccomp",
        attempt("import socket\nsocket.create_connection(('127.0.0.1', PORT), 1)"),
    ),
    Escape(
        "open a Unix socket", "seccomp", attempt("import socket\nsocket.socket(socket.AF_UNIX)")
    ),
    Escape("run a program", "seccomp", attempt("import subprocess\nsubprocess.run(['/bin/true'])")),
    Escape(
        "signal the grader",
        "namespaces",
        "import os\nescaped = True\ntry: os.kill(PID, 0)\nexcept OSError: escaped = False\n",
    ),
    Escape(
        "see the grader's processes",
        "namespaces",
        "import os\ntry: escaped = os.path.exists('/proc/PID/status')\n"
        "except OSError: escaped = False\n",
    ),
    Escape("read the grader's memory", "seccomp", syscall("libc.ptrace(16, PID, 0, 0)")),
    Escape("mount a file system", "seccomp", syscall("libc.mount(b'x', b'.', b'tmpfs', 0, None)")),
    Escape("change the root folder", "seccomp", syscall("libc.chroot(b'.')")),
    Escape("enter new namespaces", "seccomp", syscall("libc.unshare(0x10000000)")),
    Escape(
        "become root again", "uid", syscall("-1 if libc.setuid(0) else 0 - (libc.getuid() != 0)")
    ),
    Escape("hidden memory (memfd)", "seccomp", syscall("libc.memfd_create(b'x', 0)")),
    Escape("shared memory (System V)", "seccomp", syscall("libc.shmget(0, 4096, 0o1600)")),
    Escape(
        "a hundred processes",
        "rlimits",
        "import os, time\nescaped = True\ntry:\n    for _ in range(100):\n"
        "        if os.fork() == 0: time.sleep(60)\nexcept OSError: escaped = False\n",
    ),
    Escape(
        "read secrets of the environment",
        "environment",
        "import os\nown = open('/proc/self/environ').read() if os.access('/proc/self/environ', 4)"
        " else ''\nescaped = 'AUTOGRADER_DOCTOR' in own or 'AUTOGRADER_DOCTOR' in os.environ\n",
    ),
]
