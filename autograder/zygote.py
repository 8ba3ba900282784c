"""The warm process that everything else is forked from.

``Zygote.start`` begins a fresh interpreter that imports the libraries once. From it are forked

- *judges*, trusted processes that load tests after the fork, and
- the *nursery*, a process in namespaces of its own, and from that the *workers*, one for each
  student, locked away before they see a line of a student's code.

Neither zygote nor nursery ever loads a test or runs a tensor operation, so no worker inherits a
secret or a broken thread pool.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autograder.pipes import Channel, packet_pair, send_packet
from autograder.sandbox import Limits

ROOT = Path(__file__).resolve().parents[1]
DEFAULT_PRELOAD = (
    "numpy",
    "torch",
    "torch.nn.functional",
    "torch.optim",
    "torch.utils.data",
    "torch._dynamo",
    "matplotlib.pyplot",
    "matplotlib.backends.backend_agg",
    "matplotlib_inline.backend_inline",
    "transformers",
    "tqdm.auto",
    "nbformat",
    "course.checks.live",
)
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
}
BOOT = (
    "import json, sys; setup = json.loads(sys.argv[1]); sys.argv[:] = ['']; "
    "sys.path[:] = setup['path']; from autograder.nursery import main; main(setup)"
)


class SandboxError(RuntimeError):
    """The system does not give what was required, or a worker could not be locked away."""


@dataclasses.dataclass
class Spawned:
    """The judge's ends of a newborn worker.

    ``link`` carries questions and answers. ``lifeline`` is held by the nursery at its other end:
    closing it kills the worker at once, and so does the judge's own death.
    """

    link: socket.socket
    lifeline: socket.socket

    def interrupt(self) -> None:
        """Send the worker the signal of Ctrl-C."""
        with contextlib.suppress(OSError):
            self.lifeline.send(b"i")

    def farewell(self, seconds: float = 2.0) -> int | None:
        """The dead worker's exit status (negative: a signal), None if it does not come."""
        self.lifeline.settimeout(seconds)
        try:
            return json.loads(self.lifeline.recv(64) or b"null")
        except (OSError, ValueError):
            return None

    def close(self) -> None:
        """Let go; whatever the worker started dies. Does not wait."""
        self.link.close()
        self.lifeline.close()


class JudgeProcess:
    """A trusted process forked from the zygote; talk to it through ``channel``."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._pid: int | None = None

    @property
    def pid(self) -> int:
        """Its process number; waits until it is born. Raises EOFError if it never is."""
        if self._pid is None:
            self._pid = int(self.channel.receive())
        return self._pid

    @property
    def born(self) -> bool:
        """Whether its number, which is its first word, has been heard."""
        return self._pid is not None

    def send(self, message: Any) -> None:
        """Send it a JSON message."""
        self.channel.send(message)

    def receive(self, timeout: float | None = None) -> Any:
        """Its next message. Raises EOFError once it has ended, TimeoutError."""
        _ = self.pid
        return self.channel.receive(timeout)

    def fileno(self) -> int:
        """For select; the first message is its process number, which ``receive`` skips."""
        return self.channel.fileno()

    def kill(self) -> None:
        """End it at once, and with it its workers."""
        with contextlib.suppress(OSError, EOFError):
            os.kill(self.pid, signal.SIGKILL)
        self.channel.close()

    def close(self) -> None:
        """Close the channel; a judge that reads from it ends by itself."""
        self.channel.close()


class Zygote:
    """A handle on the warm process: ask it for workers and judges."""

    def __init__(
        self,
        orders: socket.socket,
        control: socket.socket | None = None,
        process: subprocess.Popen[bytes] | None = None,
        require: Sequence[str] = (),
    ) -> None:
        self._orders = orders
        self._control = control
        self._process = process
        self.require = tuple(require)

    @classmethod
    def start(
        cls, *, preload: Sequence[str] = DEFAULT_PRELOAD, require: Sequence[str] = ()
    ) -> Zygote:
        """Begin the warm process and return at once; its imports go on meanwhile.

        ``require`` names parts of the sandbox ("landlock", "seccomp", "namespaces", "disk",
        "rlimits", "uid"); a worker that lacks one is refused with SandboxError.
        """
        control, far_control = packet_pair()
        orders, far_orders = packet_pair()
        files = [far_control.fileno(), far_orders.fileno(), orders.fileno()]
        path = [str(Path(entry)) for entry in sys.path if Path(entry).is_absolute()]
        setup = {"path": [*path, str(ROOT)], "preload": list(preload), "files": files}
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", BOOT, json.dumps(setup)],
            stdin=subprocess.DEVNULL,
            stdout=sys.__stderr__.fileno() if sys.__stderr__ else subprocess.DEVNULL,
            pass_fds=files,
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
        far_control.close()
        far_orders.close()
        return cls(orders, control, process, require)

    @property
    def pid(self) -> int:
        """The warm process's number. Raises SandboxError in a judge, which is not its parent."""
        if self._process is None:
            raise SandboxError("only the process that started the zygote knows its number")
        return self._process.pid

    def spawn(
        self, folder: Path, *, readable: Sequence[Path] = (), limits: Limits | None = None
    ) -> Spawned:
        """Fork a worker that may write in ``folder`` and read ``readable``; does not wait for it.

        Its first message says what is in force; ``Session`` reads it.
        """
        near, far = socket.socketpair()
        lifeline, far_lifeline = packet_pair()
        request = {
            "folder": str(Path(folder).resolve()),
            "readable": [str(Path(path).resolve()) for path in readable],
            "limits": dataclasses.asdict(limits or Limits()),
        }
        with far, far_lifeline:
            try:
                send_packet(self._orders, request, far.fileno(), far_lifeline.fileno())
            except OSError as error:
                raise SandboxError("the warm process has ended") from error
        return Spawned(near, lifeline)

    def fork_judge(self, target: str, *args: Any) -> JudgeProcess:
        """Fork a trusted process that runs ``target`` ("module:function") and return at once.

        The function is imported after the fork and called as ``function(zygote, channel, *args)``;
        ``args`` are JSON data. It has this process's environment and current folder.
        """
        if self._control is None:
            raise SandboxError("a judge cannot fork judges: ask its parent")
        near, far = socket.socketpair()
        request = {
            "target": target,
            "args": list(args),
            "environment": dict(os.environ) | {"OMP_NUM_THREADS": "1"},
            "folder": str(Path.cwd()),
            "require": self.require,
        }
        setup = json.dumps(request).encode()
        with far:
            send_packet(self._control, len(setup), far.fileno())
        near.sendall(setup)
        return JudgeProcess(Channel(near))

    def close(self) -> None:
        """End the warm process, its judges and its workers."""
        self._orders.close()
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
            if self._process.returncode is None:
                self._process.kill()
                self._process.wait()

    def __enter__(self) -> Zygote:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    def missing(self, in_force: Sequence[str]) -> list[str]:
        """The required parts that are not among those in force."""
        return [part for part in self.require if not any(part in words for words in in_force)]
