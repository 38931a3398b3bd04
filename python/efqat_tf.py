"""A TensorFlow model as ONNX by tf2onnx, and its outputs on a few feeds. See efqat_task.py for how it is asked."""
import os

from efqat_task import Refusal, need, shorten

np = need("numpy")
tf = need("tensorflow")
tf2onnx = need("tf2onnx")

# Sizes of open dimensions in the two feeds that the file is compared on: the batch, and any other.
COMPARED = ((1, 16), (3, 13))


def work(task):
    function, inputs, outputs = load(task["directory"])
    open_axes = {spec.name: [axis for axis, size in enumerate(spec.shape) if size is None] for spec in inputs}
    if task.get("fixedBatch"):
        inputs = [tf.TensorSpec([1 if axis == 0 and size is None else size for axis, size in enumerate(spec.shape)], spec.dtype, spec.name) for spec in inputs]
    path = os.path.join(task["folder"], "model.onnx")
    try:
        model, _ = tf2onnx.convert.from_function(function, input_signature=inputs, opset=task.get("opset") or 17, output_path=path)
    except Exception as error:
        raise Refusal("export", f"tf2onnx does not take this model: {shorten(error)}", "", task["directory"]) from error
    called = [value.name for value in model.graph.input]
    named = [value.name for value in model.graph.output]
    for number, sizes in enumerate(COMPARED):
        feeds = [make(spec, sizes, task.get("fixedBatch")) for spec in inputs]
        found = tf.nest.flatten(function(*[tf.constant(feed) for feed in feeds]))
        by_name = {spec.name: feed for spec, feed in zip(inputs, feeds)}
        save(task["folder"], f"feed-{number}.npz", [by_name[name] for name in called])
        save(task["folder"], f"expected-{number}.npz", [value.numpy() for value in found])
    return {
        "attempt": "tf2onnx-fixed" if task.get("fixedBatch") else "tf2onnx-open",
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
    specs = [tf.TensorSpec(tensor.shape, tensor.dtype, f"input_{i}" if len(model.inputs) > 1 else "input") for i, tensor in enumerate(model.inputs)]
    function = tf.function(lambda *inputs: tf.nest.flatten(model(list(inputs) if len(inputs) > 1 else inputs[0], training=False)), input_signature=specs)
    return function, specs, None


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
    return function, specs, None


def make(spec, sizes, fixed):
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
