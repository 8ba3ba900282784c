# tries: use open files that were left behind
import os
for number in range(3, 256):
    try: print(number, os.readlink(f"/proc/self/fd/{number}"), os.listdir(number))
    except OSError: pass
