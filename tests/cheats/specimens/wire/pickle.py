# tries: a pickle in place of a message
import os, pickle, struct
class Evil:
    def __reduce__(self): return (os.system, ("touch __OUTSIDE__/pickled",))
def double(x):
    os.write(3, struct.pack("!4sII", b"TbH1", 60, 0) + pickle.dumps(Evil()))
    return Evil()
