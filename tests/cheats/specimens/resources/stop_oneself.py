# tries: stop instead of dying
import os, signal
def double(x):
    os.kill(os.getpid(), signal.SIGSTOP)
    __import__("time").sleep(100)
