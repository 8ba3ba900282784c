# tries: a namespace that has every name
ip = get_ipython()
class Everything(dict):
    def __contains__(self, k): return True
    def __missing__(self, k): return lambda *a, **k: True
ip.user_ns = Everything(ip.user_ns)
ip.user_ns_hidden = {}
