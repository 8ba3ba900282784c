# tries: never answer
import signal, time
def double(x):
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
    time.sleep(100)
