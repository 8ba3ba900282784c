"""The sandbox's parts, and what is left of it where the system gives less."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from autograder import doctor, zygote
from autograder.sandbox import kernel, landlock, library_path, room, seccomp
from autograder.session import Session
from autograder.zygote import SandboxError
from tests import warm

linux = pytest.mark.skipif(not kernel.LINUX, reason="the sandbox is Linux's")


def decide(code: bytes, machine: str, number: int, argument: int = 0) -> int:
    """Run a filter on one system call, as the kernel's BPF machine would."""
    words = [struct.unpack("HBBI", code[i : i + 8]) for i in range(0, len(code), 8)]
    data = struct.pack("<IIQQ", number, seccomp.ARCHITECTURES[machine].audit, 0, argument)
    place = accumulator = 0
    while True:
        kind, yes, no, value = words[place]
        place += 1
        if kind == seccomp.LOAD:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif kind == seccomp.RETURN:
            return value
        elif kind == seccomp.JUMP_EQUAL:
            place += yes if accumulator == value else no
        elif kind == seccomp.JUMP_AT_LEAST:
            place += yes if accumulator >= value else no
        elif kind == seccomp.JUMP_SET:
            place += yes if accumulator & value else no
        else:
            raise ValueError(kind)


REFUSED = seccomp.ERRNO | seccomp.EPERM
READ = {"x86_64": 0, "aarch64": 63}


@pytest.mark.parametrize("machine", list(seccomp.ARCHITECTURES))
def test_the_filter_refuses_what_is_listed_and_nothing_else(machine: str) -> None:
    arch = seccomp.ARCHITECTURES[machine]
    code = seccomp.program(machine)
    listed = {row[arch.column] for row in seccomp.DENIED.values()} - {None}
    for number in range(460):
        wanted = REFUSED if number in listed else seccomp.ALLOW
        if number == arch.clone3:
            wanted = seccomp.ERRNO | seccomp.ENOSYS
        assert decide(code, machine, number) == wanted, number
    assert decide(code, machine, READ[machine]) == seccomp.ALLOW


@pytest.mark.parametrize("machine", list(seccomp.ARCHITECTURES))
def test_the_filter_looks_at_flags_and_process_numbers(machine: str) -> None:
    arch = seccomp.ARCHITECTURES[machine]
    plain, strict = seccomp.program(machine), seccomp.program(machine, own=1234, forks=False)
    new_user, thread, fork = 0x10000000, 0x3D0F00, 17
    assert decide(plain, machine, arch.clone, new_user) == REFUSED
    assert decide(plain, machine, arch.clone, fork) == seccomp.ALLOW
    assert decide(strict, machine, arch.clone, fork) == REFUSED
    assert decide(strict, machine, arch.clone, thread) == seccomp.ALLOW
    for number in (arch.kill, arch.tgkill):
        assert decide(strict, machine, number, 1234) == seccomp.ALLOW
        assert decide(strict, machine, number, 1) == REFUSED
        assert decide(plain, machine, number, 1) == seccomp.ALLOW
    for number in arch.forks:
        assert decide(strict, machine, number) == REFUSED


@pytest.mark.parametrize("machine", list(seccomp.ARCHITECTURES))
def test_a_call_of_another_architecture_kills(machine: str) -> None:
    (other,) = set(seccomp.ARCHITECTURES) - {machine}
    code = seccomp.program(machine)
    assert decide(code, other, READ[machine]) == seccomp.KILL
    if machine == "x86_64":
        assert decide(code, machine, seccomp.X32 | 1) == seccomp.KILL


def in_child(act: object) -> int:
    """The exit code of a forked process that runs a function: 0 for true, 1 for false."""
    child = os.fork()
    if child == 0:
        code = 2
        try:
            code = 0 if act() else 1  # type: ignore[operator]
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@linux
@pytest.mark.skipif(not landlock.version(), reason="this kernel has no Landlock")
def test_landlock_leaves_what_it_allows(tmp_path: Path) -> None:
    for name in ("read", "write", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x")

    def fails(path: str, mode: str) -> bool:
        try:
            (tmp_path / path).open(mode).close()
        except PermissionError:
            return True
        return False

    def act() -> bool:
        landlock.restrict([str(tmp_path / "read")], [str(tmp_path / "write")])
        allowed = [("read/file", "r"), ("write/file", "w"), ("write/new", "w")]
        refused = [("read/file", "w"), ("read/new", "w"), ("other/file", "r"), ("other/new", "w")]
        return not any(fails(*case) for case in allowed) and all(fails(*c) for c in refused)

    assert in_child(act) == 0


def test_the_libraries_are_not_the_course() -> None:
    root = str(warm.ROOT)
    assert room.libraries()
    assert not any(root == path or root.startswith(path + "/") for path in room.libraries())
    assert root not in library_path([root, "", *room.libraries()])


@linux
def test_what_is_in_force_is_said(tmp_path: Path) -> None:
    with Session(warm.zygote(), tmp_path) as session:
        session.execute("1")
        said = " ".join(session.sandbox)
    assert "rlimits" in said and "seccomp" in said
    assert "uid" in said or "still root" in said


@linux
def test_less_than_required_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm.zygote(), "require", ("seccomp", "a moat"))
    session = Session(warm.zygote(), tmp_path)
    with pytest.raises(SandboxError, match=r"not in force here: a moat\. In force: .*seccomp"):
        session.execute("1")
    session.close()


WITHOUT_NAMESPACES = "import autograder.sandbox.namespaces as n; n.enter = lambda: n.Nest(); "


@linux
@pytest.mark.slow
@pytest.mark.parametrize(
    ("patch", "possible"),
    [
        ("", set()),
        (WITHOUT_NAMESPACES, {"see the grader's processes"}),
        (
            "import autograder.sandbox.seccomp as s; s.ARCHITECTURES = {}; ",
            {"open a Unix socket", "hidden memory (memfd)", "shared memory (System V)"},
        ),
    ],
    ids=["everything", "no-namespaces", "no-seccomp"],
)
def test_the_doctor_tells_what_holds(
    patch: str, possible: set[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    boot = zygote.BOOT.replace("from autograder.nursery", patch + "from autograder.nursery")
    monkeypatch.setattr(zygote, "BOOT", boot)
    code = doctor.main([])
    lines = capsys.readouterr().out.splitlines()
    told = {line.split("  ")[1] for line in lines if "POSSIBLE" in line}
    if not patch and told:
        pytest.skip(f"this system holds less: {told}")
    assert told >= possible
    assert code == (1 if told else 0)
    assert "stay in the background" not in told


@linux
@pytest.mark.slow
def test_the_doctor_refuses_less_than_required(capsys: pytest.CaptureFixture) -> None:
    assert doctor.main(["--require", "a moat"]) == 2
    assert "a moat" in capsys.readouterr().out


@linux
@pytest.mark.slow
def test_the_folder_is_bounded_without_a_disk_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot = zygote.BOOT.replace(
        "from autograder.nursery", WITHOUT_NAMESPACES + "from autograder.nursery"
    )
    monkeypatch.setattr(zygote, "BOOT", boot)
    limits = zygote.Limits(disk=20 << 20)
    with (
        zygote.Zygote.start(preload=()) as other,
        Session(other, tmp_path, limits=limits) as session,
    ):
        source = (
            "import time\nfor n in range(100):\n"
            "    open(f'f{n}', 'wb').write(bytes(5 << 20))\n    time.sleep(0.05)"
        )
        assert "wrote more than 20 MB" in str(session.execute(source, seconds=20).error)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 300 << 20
