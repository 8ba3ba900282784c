# tries: one file larger than the disk
import os, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    with open("sparse", "wb") as file: file.truncate(1 << 40)
    print("FILLED")
except OSError: pass
