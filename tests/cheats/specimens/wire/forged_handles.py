# tries: handles that do not exist and classes that lie
import json, os, struct
def double(x):
    names = ["torch:Tensor", "builtins:int"]
    text = json.dumps([["l", [0, "ok", ["h", -1, "instance", ["l", names]]]]]).encode()
    os.write(3, struct.pack("!4sII", b"TbH1", len(text), 0) + text)
    return 0
