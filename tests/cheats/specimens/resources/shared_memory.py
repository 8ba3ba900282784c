# tries: memory that no limit counts
import ctypes, os
libc = ctypes.CDLL(None)
print([libc.memfd_create(b"x", 0), libc.shmget(0, 1 << 30, 0o1600)])
try:
    open("/dev/shm/x", "wb").write(bytes(1 << 20))
    print("FILLED")
except OSError: pass
