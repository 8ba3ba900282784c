# tries: overflow the stack
import sys
sys.setrecursionlimit(10**9)
def double(x): return double(x)
