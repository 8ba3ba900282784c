"""The IPython shell of a worker and what it shows: text, pictures, results and errors as data."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell

NO_SYSTEM = "Shell commands do not run while grading."


class Capture:
    """The outputs of one cell in order, as nbformat has them, up to a size."""

    def __init__(self) -> None:
        self.begin(0, 0)

    def begin(self, text: int, rich: int) -> None:
        """Forget what was, and keep at most so many bytes of text and of rich output from now."""
        self.outputs: list[dict[str, Any]] = []
        self.left = {"text": text, "rich": rich}

    def write(self, name: str, text: str) -> None:
        """Add printed text to the stream ``name``."""
        if self.left["text"] < 0 or not text:
            return
        self.left["text"] -= len(text)
        if self.left["text"] < 0:
            text = text[: len(text) + self.left["text"]] + "\n[more was printed: it is cut here]\n"
        last = self.outputs[-1] if self.outputs else {}
        if last.get("output_type") == "stream" and last.get("name") == name:
            last["text"].append(text)
        else:
            self.outputs.append({"output_type": "stream", "name": name, "text": [text]})

    def show(self, output: dict[str, Any]) -> None:
        """Add a rich output, in words where it is too large."""
        size = len(json.dumps(output, default=str))
        self.left["rich"] -= size
        if self.left["rich"] < 0:
            self.write("stderr", f"[an output of {size} bytes is too large to be kept]\n")
        else:
            self.outputs.append(json.loads(json.dumps(output, default=str)))

    def clear(self) -> None:
        """What ``clear_output`` asks for."""
        self.outputs.clear()

    def finish(self) -> list[dict[str, Any]]:
        """The outputs, with streams joined."""
        for output in self.outputs:
            if output["output_type"] == "stream":
                output["text"] = "".join(output["text"])
        return self.outputs


class Stream(io.TextIOBase):
    """sys.stdout or sys.stderr of a worker."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, name: str, capture: Capture) -> None:
        self._name = name
        self._capture = capture
        self.buffer = _Bytes(self)

    @property
    def name(self) -> str:
        return f"<{self._name}>"

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._capture.write(self._name, str(text))
        return len(text)


class _Bytes(io.RawIOBase):
    """The binary side of a stream."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._stream.write(bytes(data).decode("utf-8", "replace"))
        return len(data)


class Publisher(DisplayPublisher):
    """Keeps what ``display`` shows."""

    def publish(self, data: Any, metadata: Any = None, *_: Any, **others: Any) -> None:
        capture.show({"output_type": "display_data", "data": data, "metadata": metadata or {}})

    def clear_output(self, wait: bool = False) -> None:
        capture.clear()


class Hook(DisplayHook):
    """Keeps the value of a cell's last expression."""

    def write_output_prompt(self) -> None:
        """Nothing stands before a result."""

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        result = {"output_type": "execute_result", "execution_count": self.prompt_count}
        capture.show({**result, "data": format_dict, "metadata": md_dict or {}})

    def finish_displayhook(self) -> None:
        pass


class Shell(InteractiveShell):
    """An IPython shell without history, terminal, subprocesses and input."""

    def init_history(self) -> None:
        from IPython.core.history import HistoryManager

        HistoryManager.enabled = False  # type: ignore[assignment]
        super().init_history()

    def system(self, cmd: str) -> None:
        """What ``!command`` runs: nothing."""
        print(NO_SYSTEM, file=sys.stderr)
        self.user_ns["_exit_code"] = 1

    def getoutput(self, cmd: str, split: bool = True, depth: int = 0) -> Any:
        """What ``x = !command`` runs: nothing."""
        print(NO_SYSTEM, file=sys.stderr)
        return [] if split else ""

    system_raw = system_piped = system

    def enable_gui(self, gui: Any = None) -> None:
        """There is no screen."""

    def ask_exit(self) -> None:
        """A notebook goes on after ``exit``."""

    def _showtraceback(self, etype: Any, evalue: Any, stb: Any) -> None:
        lines = [str(line)[:20_000] for line in stb[-60:]]
        name = getattr(etype, "__name__", str(etype))
        text = _text_of(evalue)
        error = {"output_type": "error", "ename": name, "evalue": text, "traceback": lines}
        capture.show(error)


def _text_of(error: Any) -> str:
    try:
        return str(error)[:2000]
    except Exception:
        return ""


capture = Capture()


def make_shell() -> Shell:
    """The one shell of this process: made in the zygote, used in each worker."""
    shell = Shell.instance(displayhook_class=Hook, display_pub_class=Publisher)
    shell.colors = "nocolor"
    try:
        from matplotlib_inline.backend_inline import configure_inline_support

        configure_inline_support(shell, "module://matplotlib_inline.backend_inline")
    except ImportError:
        pass
    return shell


def warm_up(shell: Shell) -> None:
    """Use each part once, so that no worker pays for a first time."""
    capture.begin(10_000, 1 << 20)
    shell.run_cell("def _warm():\n    raise ValueError('warm')\n_warm()", store_history=True)
    shell.run_cell("{'warm': [1, 2]}", store_history=True)
    with contextlib.suppress(ImportError):
        import matplotlib.pyplot

        figure, axes = matplotlib.pyplot.subplots()
        axes.plot([0, 1], label="warm")
        axes.legend()
        figure.savefig(io.BytesIO(), format="png")
        matplotlib.pyplot.close(figure)
    shell.reset()
    shell.execution_count = 1
    capture.begin(0, 0)
