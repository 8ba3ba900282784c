# tries: fill the disk
import os
try:
    for number in range(100):
        with open(f"fill{number}", "wb") as file: file.write(bytes(60 << 20))
    print("FILLED")
except OSError: pass
