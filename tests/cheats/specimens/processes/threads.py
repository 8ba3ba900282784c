# tries: threads that never end
import threading, time
try:
    for _ in range(500): threading.Thread(target=time.sleep, args=(100,), daemon=False).start()
except RuntimeError: pass
