# tries: stay behind in the background
import os, time
try:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            while True: time.sleep(1)
        os._exit(0)
except OSError: pass
