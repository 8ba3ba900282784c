"""The inside of the warm process: imports, then forks of judges and, in the nursery, of workers."""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from typing import Any

from autograder.pipes import Channel, receive_packet
from autograder.sandbox import Limits, kernel, namespaces, room
from autograder.sandbox.namespaces import Births, Nest


def main(setup: dict[str, Any]) -> None:
    """The zygote's life: import, make the nursery, fork judges until the parent is gone."""
    control = socket.socket(fileno=setup["files"][0])
    orders = socket.socket(fileno=setup["files"][1])
    to_nursery = socket.socket(fileno=setup["files"][2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    preload(setup["preload"])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the judges
    if os.fork() == 0:
        control.close()
        to_nursery.close()
        _become_nursery(orders)
    orders.close()
    while True:
        try:
            length, files = receive_packet(control, 1)
        except (EOFError, OSError):
            os._exit(0)  # its children are told by the kernel
        if os.fork() == 0:
            control.close()
            _become_judge(to_nursery, socket.socket(fileno=files[0]), length)
        os.close(files[0])


def preload(names: list[str]) -> None:
    """Import what workers and judges will need; what is not installed is left out.

    "module:name" also fetches the name: transformers imports its parts at first use.
    """
    for path in names:
        name, _, attribute = path.partition(":")
        with contextlib.suppress(ImportError):
            module = importlib.import_module(name)
            if attribute:
                getattr(module, attribute, None)
    from autograder import worker

    worker.warm_up(worker.make_shell())
    gc.collect()
    gc.freeze()  # a collection in a child then leaves the parent's pages shared


def _become_judge(orders: socket.socket, connection: socket.socket, length: int) -> None:
    """Run a judge's function in this fork and end."""
    from autograder.zygote import Zygote

    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 1
    try:
        channel = Channel(connection)
        request = json.loads(channel._exactly(length))
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["folder"])
        channel.send(os.getpid())
        module, name = request["target"].split(":")
        function = getattr(importlib.import_module(module), name)
        function(Zygote(orders, require=request["require"]), channel, *request["args"])
        code = 0
    except (EOFError, BrokenPipeError):
        code = 0  # the parent has no more use for it
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _become_nursery(orders: socket.socket) -> None:
    """Enter namespaces; the child, process 1 of its own, is the nursery, this one its cradle."""
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    nest = namespaces.enter()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child:
        orders.close()
        os.waitpid(child, 0)
        os._exit(0)
    try:
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        os.setsid()
        room.libraries()  # found once, for all workers
        gc.freeze()
        Nursery(orders, nest).run()
    except BaseException:
        traceback.print_exc()
    os._exit(1)


class Nursery:
    """Forks workers on order, passes signals on, kills a worker when its judge lets go."""

    def __init__(self, orders: socket.socket, nest: Nest) -> None:
        self.orders = orders
        self.nest = nest
        self.births = Births(nest)
        self.lifelines: dict[int, socket.socket] = {}  # by the worker's process number
        self.selector = selectors.DefaultSelector()
        self.selector.register(orders, selectors.EVENT_READ)
        self.wake, far = socket.socketpair()
        self.wake.setblocking(False)
        far.setblocking(False)
        self.far = far
        signal.set_wakeup_fd(far.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.selector.register(self.wake, selectors.EVENT_READ)
        # Orphans of a worker come here where process namespaces do not catch them.
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)

    def run(self) -> None:
        """Serve until the last process that could send orders is gone."""
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.orders:
                    self._order()
                elif key.fileobj is self.wake:
                    with contextlib.suppress(BlockingIOError):
                        self.wake.recv(4096)
                else:
                    self._hear(key.data)
            self._bury()

    def _order(self) -> None:
        try:
            request, files = receive_packet(self.orders, 2)
        except EOFError:
            os._exit(0)
        own_pids = self.births.before()
        child = os.fork()
        if child == 0:
            self._deliver(request, files, own_pids)
        self.births.after()
        os.close(files[0])
        lifeline = socket.socket(fileno=files[1])
        self.lifelines[child] = lifeline
        self.selector.register(lifeline, selectors.EVENT_READ, child)

    def _deliver(self, request: dict[str, Any], files: list[int], own_pids: bool) -> None:
        """In the child: nothing of the nursery's stays open; the worker's life begins."""
        from autograder import worker

        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            connection = os.dup2(files[0], 3, inheritable=False) if files[0] != 3 else 3
            null = os.open("/dev/null", os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(null, number)
            os.closerange(4, 1024)
            limits = Limits(**request["limits"])
            life = (request["folder"], request["readable"], limits, self.nest, own_pids)
            worker.main(connection, *life)
        finally:
            os._exit(70)

    def _hear(self, child: int) -> None:
        """A word from a judge: "i" interrupts its worker, silence for ever kills it."""
        lifeline = self.lifelines.get(child)
        if lifeline is None:
            return
        try:
            word = lifeline.recv(16)
        except OSError:
            word = b""
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGINT if word else signal.SIGKILL)
        if not word:
            self.selector.unregister(lifeline)
            lifeline.close()
            del self.lifelines[child]
            self._sweep(child)

    def _sweep(self, child: int) -> None:
        """Without a process namespace: kill the group that the worker led."""
        if not self.nest.pid:
            with contextlib.suppress(OSError):
                os.killpg(child, signal.SIGKILL)

    def _bury(self) -> None:
        """Reap the dead and tell their judges how they ended."""
        while True:
            try:
                child, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if child == 0:
                return
            lifeline = self.lifelines.pop(child, None)
            if lifeline is not None:
                self._sweep(child)
                self.selector.unregister(lifeline)
                with contextlib.suppress(OSError):
                    lifeline.send(json.dumps(os.waitstatus_to_exitcode(status)).encode())
                lifeline.close()
