"""A PyTorch model of the user's own module as ONNX. Runs that module. See efqat_task.py for how it is asked."""
import importlib
import importlib.util
import inspect
import os
import sys

from efqat_task import Refusal, need, place_of, shorten

torch = need("torch")
from efqat_export import Feed, export  # noqa: E402


def work(task):
    made = build(task)
    model, example = made if isinstance(made, tuple) and len(made) == 2 and is_module(made[0]) else (made, None)
    if not is_module(model):
        raise Refusal("build", f"{task['name']} gives {type(made).__name__}, and not a torch.nn.Module", "Return the model, or (model, example inputs).", task["module"])
    feeds, by_name = feeds_of(task, model, example)
    return export(model, feeds, by_name, task)


def is_module(value):
    return isinstance(value, torch.nn.Module)


def build(task):
    module = load(task)
    value = module
    for part in task["name"].split("."):
        if not hasattr(value, part):
            names = [name for name in vars(module) if not name.startswith("_") and callable(getattr(module, name))]
            raise Refusal("build", f"The module has no \"{task['name']}\"", f"It has {', '.join(names[:12])}.", task["module"])
        value = getattr(value, part)
    if is_module(value):
        return value
    if not callable(value):
        raise Refusal("build", f"{task['name']} is {type(value).__name__}, neither a function nor a torch.nn.Module", "", task["module"])
    try:
        return value()
    except Exception as error:
        raise Refusal("build", f"{task['name']}() failed: {shorten(error)}", "", place_of(error, task["home"]) or task["module"]) from error


def load(task):
    path = task["module"]
    sys.path.insert(0, task["home"])
    try:
        if not path.endswith(".py"):
            return importlib.import_module(path)
        spec = importlib.util.spec_from_file_location(os.path.basename(path)[:-3], path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module
    except ModuleNotFoundError as error:
        if error.name == path.split(".")[0]:
            raise Refusal("build", f"There is no module {path} for this Python", "Give a file, module.py:function, or install it.", sys.executable) from error
        raise
    except Exception as error:
        raise Refusal("build", f"The module cannot be loaded: {shorten(error)}", "", place_of(error, task["home"]) or path) from error


def feeds_of(task, model, example):
    """Inputs as they were asked for, else those that came with the model."""
    parameters = [p for p in inspect.signature(model.forward).parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    names = [p.name for p in parameters]
    asked = task.get("inputs") or []
    if asked:
        given = [spec.get("name") for spec in asked]
        by_name = all(name in names for name in given)
        called = [name or (names[i] if i < len(names) else f"input_{i}") for i, name in enumerate(given)]
        return [feed_of_spec(task, name, spec) for name, spec in zip(called, asked)], by_name
    if example is None:
        takes = ", ".join(p.name for p in parameters if p.default is p.empty) or "nothing"
        raise Refusal("input", f"What the model takes is not known (its forward takes {takes})", "Give the shape of each input: --input 1x3x224x224, or --input NAME=1x16:int64.", task["module"])
    by_name = isinstance(example, dict)
    pairs = list(example.items()) if by_name else list(zip(names, example if isinstance(example, (tuple, list)) else [example]))
    return [feed_of_example(task, name, tensor) for name, tensor in pairs], by_name


def open_axes(task, name, rank):
    asked = task.get("openAxes", {}).get(name, [])
    wrong = [axis for axis in asked if not 0 <= axis < rank]
    if wrong:
        raise Refusal("input", f"{name} has {rank} dimensions, and axis {wrong[0]} shall stay open", "Give an axis from 0 on with --open-axes.")
    return ([0] if rank else []) + [axis for axis in asked if axis != 0]


def feed_of_spec(task, name, spec):
    dtype = getattr(torch, spec["dtype"])

    def make(shape):
        if dtype.is_floating_point:
            return torch.randn(shape).to(dtype)
        return torch.randint(0, 2, shape).to(dtype)

    return Feed(name, spec["shape"], make, open_axes(task, name, len(spec["shape"])))


def feed_of_example(task, name, tensor):
    if not isinstance(tensor, torch.Tensor):
        raise Refusal("input", f"The example of {name} is {type(tensor).__name__}, and not a tensor", "Return (model, example inputs) with tensors alone.")

    def make(shape):
        made = tensor.detach().cpu()
        for axis, size in enumerate(shape):
            made = made.index_select(axis, torch.arange(size) % tensor.shape[axis])
        return made.clone()

    return Feed(name, tensor.shape, make, open_axes(task, name, tensor.dim()))
