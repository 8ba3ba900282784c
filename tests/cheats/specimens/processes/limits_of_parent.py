# tries: change the grader's limits and priority
import os, resource
for act in (lambda: resource.prlimit(__PID__, resource.RLIMIT_NOFILE, (1, 1)), lambda: os.setpriority(os.PRIO_PROCESS, __PID__, 19), lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1))):
    try:
        act()
        print("CHANGED")
    except (OSError, ValueError): pass
