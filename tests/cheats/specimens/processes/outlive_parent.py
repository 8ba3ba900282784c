# tries: take back the order to die with the parent
import ctypes, os
ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)
os.setsid() if os.getpid() != os.getsid(0) else None
