# tries: read the grader's memory
import ctypes, os
libc = ctypes.CDLL(None)
print(libc.ptrace(16, __PID__, 0, 0), libc.process_vm_readv(__PID__, None, 0, None, 0, 0))
for path in ("/proc/__PID__/mem", "/proc/__PID__/environ", "/proc/__PID__/maps"):
    try: print("READ", open(path, "rb").read(100))
    except OSError: pass
