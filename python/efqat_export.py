"""A PyTorch model as ONNX by either exporter, and its outputs on a few feeds to compare the file with."""
import os
import warnings

from efqat_task import Refusal, need, shorten

np = need("numpy")
torch = need("torch")
need("onnx")
warnings.filterwarnings("ignore")

# Batches that the file is compared on, where it is open; exporters take two samples, since one is taken for a constant.
COMPARED, TRACED = (1, 3), 2


class Flat(torch.nn.Module):
    """A model whose outputs are a tuple of tensors, whatever they are nested in. names: of inputs that are given by name."""

    def __init__(self, model, names):
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *inputs):
        return tuple(leaf for _, leaf in leaves_of(call(self.model, self.names, inputs)))


def call(model, names, inputs):
    if names is None:
        return model(*inputs)
    return model(**dict(zip(names, inputs)))


def leaves_of(found, path=()):
    """The tensors of an output with the way to each: keys of dictionaries, places in lists, fields of dataclasses."""
    if isinstance(found, torch.Tensor):
        return [(path, found)]
    if isinstance(found, dict):
        items = list(found.items())
    elif isinstance(found, tuple) and hasattr(found, "_fields"):
        items = list(zip(found._fields, found))
    elif isinstance(found, (list, tuple)):
        items = list(enumerate(found))
    elif hasattr(found, "__dataclass_fields__"):
        items = [(name, getattr(found, name)) for name in found.__dataclass_fields__]
    else:
        return []
    return [leaf for key, value in items for leaf in leaves_of(value, (*path, str(key)))]


def name_outputs(leaves, inputs):
    if len(leaves) == 1 and not leaves[0][0]:
        names = ["output"]
    else:
        names = ["_".join(path) if not path[0].isdigit() else "output_" + "_".join(path) for path, _ in leaves]
    return [f"{name}_out" if name in inputs else name for name in names]


class Feed:
    """One input: name, how a tensor of a shape is made, its usual shape, and the axes that stay open."""

    def __init__(self, name, shape, make, open_axes):
        self.name, self.shape, self.make, self.open_axes = name, list(shape), make, sorted(open_axes)

    def sized(self, batch, cut=0):
        """With another batch, and open axes that are `cut` shorter."""
        shape = [batch if axis == 0 and axis in self.open_axes else size - cut if axis in self.open_axes and size > cut + 1 else size for axis, size in enumerate(self.shape)]
        return self.make(shape)


def run_flat(flat, feeds, sizes):
    with torch.no_grad():
        return flat(*[feed.sized(*sizes) for feed in feeds])


def export(model, feeds, by_name, task):
    """Writes model.onnx and the reference outputs into the task's folder. Returns what the result tells."""
    torch.manual_seed(0)
    notes = []
    model = model.cpu().eval()
    if any(p.is_floating_point() and p.dtype in (torch.float16, torch.bfloat16) for p in model.parameters()):
        model = model.float()
        notes.append("Its half-precision weights were widened to float32.")
    for feed in feeds:
        if task.get("fixedBatch"):
            feed.open_axes = [axis for axis in feed.open_axes if axis != 0]
    names = [feed.name for feed in feeds]
    flat = Flat(model, names if by_name else None).eval()
    outputs = try_model(model, feeds, names, by_name)
    skipped = task.get("skip", [])
    failures = []
    for attempt in attempts_of(task.get("exporter", "auto"), any(feed.open_axes for feed in feeds)):
        if attempt in skipped:
            continue
        exporter, kept = attempt.split("-")
        opened = feeds if kept == "open" else [Feed(f.name, f.shape, f.make, []) for f in feeds]
        path = os.path.join(task["folder"], "model.onnx")
        try:
            write(flat, opened, outputs, exporter, path, task.get("opset"))
        except Exception as error:
            failures.append({"attempt": attempt, "what": shorten(error, 300)})
            for leftover in (path, path + ".data"):
                if os.path.exists(leftover):
                    os.remove(leftover)
            continue
        references = save_references(flat, opened, outputs, task["folder"])
        return {
            "attempt": attempt,
            "failures": failures,
            "notes": notes,
            "versions": versions_of("torch", "onnx", "onnxscript", "transformers", "torchvision", "timm"),
            "inputs": [feed.name for feed in opened],
            "outputs": outputs,
            "references": references,
            "openAxes": {feed.name: feed.open_axes for feed in opened},
        }
    raise Refusal("export", "No exporter of PyTorch takes this model: " + "; ".join(f"{f['attempt']}: {f['what']}" for f in failures))


def attempts_of(exporter, can_be_open):
    exporters = ["dynamo", "torchscript"] if exporter == "auto" else [exporter]
    return [f"{name}-{kept}" for kept in (["open", "fixed"] if can_be_open else ["fixed"]) for name in exporters]


def try_model(model, feeds, names, by_name):
    inputs = [feed.sized(TRACED) for feed in feeds]
    try:
        with torch.no_grad():
            leaves = leaves_of(call(model, names if by_name else None, inputs))
    except Exception as error:
        shapes = ", ".join(f"{f.name} {tuple(i.shape)} {str(i.dtype).split('.')[-1]}" for f, i in zip(feeds, inputs))
        raise Refusal("run", f"The model cannot be run on {shapes}: {shorten(error)}", "Check --input.") from error
    if not leaves:
        raise Refusal("run", "The model returns no tensor")
    return name_outputs(leaves, names)


def write(flat, feeds, outputs, exporter, path, opset):
    inputs = tuple(feed.sized(TRACED) for feed in feeds)
    names = {"input_names": [feed.name for feed in feeds], "output_names": outputs}
    version = {} if opset is None else {"opset_version": opset}
    if exporter == "torchscript":
        axes = {f.name: {axis: "batch" if axis == 0 else f"{f.name}_{axis}" for axis in f.open_axes} for f in feeds if f.open_axes}
        with torch.no_grad():
            torch.onnx.export(flat, inputs, path, dynamo=False, dynamic_axes=axes, **{"opset_version": 17, **version}, **names)
        return
    shapes = tuple({axis: torch.export.Dim.DYNAMIC for axis in feed.open_axes} or None for feed in feeds)
    with torch.no_grad():
        torch.onnx.export(flat, inputs, path, dynamo=True, dynamic_shapes=(shapes,), verbose=False, **version, **names)


def save_references(flat, feeds, outputs, folder):
    """What PyTorch makes of feeds of several sizes, as feed-N.npz and expected-N.npz."""
    is_open = any(feed.open_axes for feed in feeds)
    sizes = [(COMPARED[0], 0), (COMPARED[1], 3)] if is_open else [(TRACED, 0)]
    for number, (batch, cut) in enumerate(sizes):
        inputs = [feed.sized(batch, cut) for feed in feeds]
        with torch.no_grad():
            found = flat(*inputs)
        save(folder, f"feed-{number}.npz", [feed.name for feed in feeds], inputs)
        save(folder, f"expected-{number}.npz", outputs, found)
    return len(sizes)


def save(folder, file, names, tensors):
    arrays = {}
    for name, tensor in zip(names, tensors):
        tensor = tensor.detach().float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor.detach()
        arrays[name] = np.ascontiguousarray(tensor.cpu().numpy())
    # Names of arrays must not be taken for arguments of savez.
    with open(os.path.join(folder, file), "wb") as out:
        write_npz(out, arrays)


def write_npz(out, arrays):
    import zipfile

    with zipfile.ZipFile(out, "w") as archive:
        for index, (name, array) in enumerate(arrays.items()):
            with archive.open(f"{index}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)


def versions_of(*packages):
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            pass
    return found
