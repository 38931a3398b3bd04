"""A TensorFlow model as ONNX by tf2onnx, and its outputs on a few feeds. See efqat_task.py for how it is asked."""
import os

from efqat_task import Refusal, need, shorten

np = need("numpy")
tf = need("tensorflow")
tf2onnx = need("tf2onnx")

# Sizes of open dimensions in the two feeds that the file is compared on: the batch, and any other.
COMPARED = ((1, 16), (3, 13))


def work(task):
    attempts = [each for each in (["tf2onnx-fixed"] if task.get("fixedBatch") else ["tf2onnx-open", "tf2onnx-fixed"]) if each not in task["skip"]]
    if not attempts:
        raise Refusal("export", "tf2onnx gives no file that computes what the model does.", "", task["directory"])
    attempt, fixed = attempts[0], attempts[0] == "tf2onnx-fixed"
    function, inputs, outputs = load(task["directory"])
    open_axes = {spec.name: [axis for axis, size in enumerate(spec.shape) if size is None] for spec in inputs}
    if fixed:
        inputs = [tf.TensorSpec([1 if axis == 0 and size is None else size for axis, size in enumerate(spec.shape)], spec.dtype, spec.name) for spec in inputs]
    path = os.path.join(task["folder"], "model.onnx")
    try:
        model, _ = tf2onnx.convert.from_function(function, input_signature=inputs, opset=task.get("opset") or 17, output_path=path)
    except Exception as error:
        raise Refusal("export", f"tf2onnx does not take this model: {shorten(error)}", "", task["directory"]) from error
    called = [value.name for value in model.graph.input]
    named = rename_outputs(model, outputs, path)
    for number, sizes in enumerate(COMPARED):
        feeds = [make(spec, sizes) for spec in inputs]
        found = tf.nest.flatten(function(*[tf.constant(feed) for feed in feeds]))
        by_name = {spec.name: feed for spec, feed in zip(inputs, feeds)}
        save(task["folder"], f"feed-{number}.npz", [by_name[name] for name in called])
        save(task["folder"], f"expected-{number}.npz", [value.numpy() for value in found])
    return {
        "attempt": attempt,
        "failures": [],
        "notes": [],
        "versions": {"tensorflow": tf.__version__, "tf2onnx": tf2onnx.__version__},
        "inputs": called,
        "outputs": named,
        "references": len(COMPARED),
        "openAxes": {name: open_axes[name] for name in called},
    }


def load(path):
    """A function of tensors in the order of its inputs' specifications."""
    if os.path.isdir(path):
        return load_saved_model(path)
    try:
        model = tf.keras.models.load_model(path, compile=False)
    except Exception as error:
        raise Refusal("folder", f"Keras cannot load the model: {shorten(error)}", "", path) from error
    specs = [tf.TensorSpec(tensor.shape, tensor.dtype, name) for tensor, name in zip(model.inputs, names_of(model.inputs, "input"))]
    function = tf.function(lambda *inputs: tf.nest.flatten(model(list(inputs) if len(inputs) > 1 else inputs[0], training=False)), input_signature=specs)
    return function, specs, names_of(model.outputs, "output")


def names_of(tensors, usual):
    """The names that Keras shows; its made-up ones say nothing."""
    made_up = [usual] if len(tensors) == 1 else [f"{usual}_{i}" for i in range(len(tensors))]
    names = [tensor.name.split(":")[0].replace("/", "_") for tensor in tensors]
    own = [default if name.startswith("keras_tensor") else name for name, default in zip(names, made_up)]
    return own if len(set(own)) == len(own) else made_up


def rename_outputs(model, names, path):
    """Gives the outputs of the file their names in the model, where nothing else has them."""
    onnx = need("onnx")
    graph = model.graph
    taken = {value for node in graph.node for value in [*node.input, *node.output]} | {value.name for value in graph.input}
    new = {value.name: name for value, name in zip(graph.output, names or []) if name not in taken}
    for node in graph.node:
        node.input[:] = [new.get(name, name) for name in node.input]
        node.output[:] = [new.get(name, name) for name in node.output]
    for value in [*graph.output, *graph.value_info]:
        value.name = new.get(value.name, value.name)
    if new:
        onnx.save(model, path)
    return [value.name for value in graph.output]


def load_saved_model(path):
    try:
        loaded = tf.saved_model.load(path)
    except Exception as error:
        raise Refusal("folder", f"TensorFlow cannot load the SavedModel: {shorten(error)}", "", path) from error
    signatures = loaded.signatures
    name = "serving_default" if "serving_default" in signatures else next(iter(signatures), None)
    if name is None:
        raise Refusal("folder", "The SavedModel has no signature", "Save it with signatures=..., or model.export(folder) in Keras.", path)
    signature = signatures[name]
    named = signature.structured_input_signature[1]
    specs = [tf.TensorSpec(spec.shape, spec.dtype, key) for key, spec in named.items()]

    @tf.function(input_signature=specs)
    def function(*inputs):
        found = signature(**{spec.name: value for spec, value in zip(specs, inputs)})
        return [found[key] for key in sorted(found)]

    # Its variables live as long as it does.
    function.loaded = loaded
    return function, specs, sorted(signature.structured_outputs)


def make(spec, sizes):
    random = np.random.default_rng(0)
    shape = [(sizes[0] if axis == 0 else sizes[1]) if size is None else size for axis, size in enumerate(spec.shape)]
    dtype = np.dtype(spec.dtype.as_numpy_dtype)
    if dtype.kind == "f":
        return random.standard_normal(shape).astype(dtype)
    return random.integers(0, 2, shape).astype(dtype)


def save(folder, file, arrays):
    from zipfile import ZipFile

    with ZipFile(os.path.join(folder, file), "w") as archive:
        for index, array in enumerate(arrays):
            with archive.open(f"{index}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.ascontiguousarray(array), allow_pickle=False)
