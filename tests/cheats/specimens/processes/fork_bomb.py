# tries: more processes than anybody wants
import os, time
try:
    for _ in range(500):
        if os.fork() == 0: time.sleep(100)
except OSError: pass
