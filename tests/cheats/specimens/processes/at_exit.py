# tries: work after the end
import atexit, signal
atexit.register(lambda: open("__OUTSIDE__/late.txt", "w").write("x"))
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1): signal.signal(number, signal.SIG_IGN)
