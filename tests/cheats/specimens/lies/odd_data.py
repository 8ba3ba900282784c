# tries: data at the edges: surrogates, lists in themselves, endless lengths, NaN keys, huge numbers
import decimal, torch
loop = []
loop.append(loop)
odd = [
    loop, "\ud800", {float("nan"): 1, torch.ones(1): 2}, 10**4000, decimal.Decimal("1E+999999"),
    torch.zeros(1).expand(1 << 20, 1 << 20), torch.empty(3, device="meta"), range(10**15),
    torch.eye(3).to_sparse(), torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
    torch.empty(0, 1 << 30), complex("inf"), -0.0, 1e308, NotImplemented, ..., memoryview(b"6"),
]
def double(x):
    odd.append(odd.pop(0))
    return odd[0]
halve = scale = double
