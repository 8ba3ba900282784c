# tries: collect the arguments of one run for the next
import pickle, os
seen = []
def double(x):
    seen.append(x)
    open("seen.txt", "a").write(repr(x))
    return seen[0]
