# tries: audit hooks, tracing, an alarm and low limits upset whoever calls
import signal, sys, threading
def upset(*a): raise KeyboardInterrupt
def hook(event, args):
    if event.startswith(("import", "compile", "socket")): raise SystemExit
signal.signal(signal.SIGALRM, upset)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
threading.settrace(upset)
sys.settrace(upset)
sys.setrecursionlimit(80)
sys.addaudithook(hook)
