# tries: bytes that are no message
import os
try: os.write(3, b"\x00" * 50_000)
except OSError: pass
