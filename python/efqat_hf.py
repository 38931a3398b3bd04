"""A model of a local Hugging Face folder as ONNX, without network and without code of the folder's own."""
import json
import os

from efqat_task import Refusal, need, shorten

torch = need("torch")
transformers = need("transformers")
from efqat_export import Feed, export  # noqa: E402

TASKS = {
    "features": "AutoModel",
    "sequence-classification": "AutoModelForSequenceClassification",
    "token-classification": "AutoModelForTokenClassification",
    "question-answering": "AutoModelForQuestionAnswering",
    "masked-lm": "AutoModelForMaskedLM",
    "image-classification": "AutoModelForImageClassification",
    "semantic-segmentation": "AutoModelForSemanticSegmentation",
    "object-detection": "AutoModelForObjectDetection",
    "audio-classification": "AutoModelForAudioClassification",
}
LOCAL = {"local_files_only": True, "trust_remote_code": False}
# Tokens of an example, and samples of a second of sound.
TOKENS, SOUND = 16, 16000


def work(task):
    folder = task["directory"]
    config = load_config(folder)
    if getattr(config, "is_encoder_decoder", False) and task.get("task") != "features":
        raise Refusal("folder", f"{config.model_type} is an encoder with a decoder, which one file cannot hold", "Export its encoder from a module of your own with efqat from-torch.", folder)
    model = load_model(folder, config, task.get("task", "auto"))
    for name, value in (("use_cache", False), ("output_attentions", False), ("output_hidden_states", False), ("return_dict", True)):
        setattr(model.config, name, value)
    feeds = feeds_of(folder, model, task.get("tokens") or TOKENS)
    result = export(model, feeds, True, task)
    return {**result, "architecture": type(model).__name__}


def load_config(folder):
    try:
        return transformers.AutoConfig.from_pretrained(folder, **LOCAL)
    except Exception as error:
        own = "auto_map" in read_json(folder, "config.json")
        hint = "The folder brings code of its own, which efqat does not run: build the model in a module of yours and use efqat from-torch." if own else "Check config.json, or update transformers."
        raise Refusal("folder", f"The configuration cannot be read: {shorten(error)}", hint, folder) from error


def load_model(folder, config, task):
    architecture = (config.architectures or [None])[0]
    named = getattr(transformers, architecture or "", None)
    loader = named if task == "auto" and named is not None else getattr(transformers, TASKS.get(task, "AutoModel"))
    for options in ({"attn_implementation": "eager"}, {}):
        try:
            return loader.from_pretrained(folder, dtype=torch.float32, **options, **LOCAL)
        except (ValueError, TypeError) as error:
            failure = error
        except Exception as error:
            raise Refusal("folder", f"The model cannot be loaded: {shorten(error)}", "Check that the folder holds config.json and the weights (model.safetensors).", folder) from error
    raise Refusal("folder", f"The model cannot be loaded as {loader.__name__}: {shorten(failure)}", "Choose another --task.", folder) from failure


def read_json(folder, name):
    try:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            found = json.load(file)
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


def feeds_of(folder, model, tokens):
    main_input = model.main_input_name
    if main_input == "pixel_values":
        height, width = image_size(folder, model.config)
        channels = getattr(model.config, "num_channels", 3) or 3
        return [Feed(main_input, (1, channels, height, width), lambda shape: torch.randn(shape), [0])]
    if main_input == "input_ids":
        return text_feeds(folder, model, tokens)
    if main_input == "input_values" and getattr(model.config, "num_mel_bins", None) and getattr(model.config, "max_length", None):
        return [Feed(main_input, (1, model.config.max_length, model.config.num_mel_bins), lambda shape: torch.randn(shape), [0])]
    if main_input == "input_values":
        return [Feed(main_input, (1, SOUND), lambda shape: torch.randn(shape), [0, 1])]
    raise Refusal("folder", f"{type(model).__name__} takes \"{main_input}\", of which from-hf makes no example", "Build the model in a module of your own that returns (model, example inputs), and use efqat from-torch.", folder)


def image_size(folder, config):
    """Height and width as the preprocessor crops or resizes to, else those of the configuration."""
    preprocessor = read_json(folder, "preprocessor_config.json")
    crop = preprocessor.get("crop_size") if preprocessor.get("do_center_crop") else None
    for size in (crop, getattr(config, "image_size", None), preprocessor.get("size"), 224):
        if isinstance(size, dict):
            size = (size["height"], size["width"]) if "height" in size else size.get("shortest_edge")
        if isinstance(size, int):
            return size, size
        if isinstance(size, (list, tuple)) and len(size) == 2:
            return tuple(size)


def text_feeds(folder, model, tokens):
    import inspect

    config = model.config.get_text_config() if hasattr(model.config, "get_text_config") else model.config
    takes = inspect.signature(model.forward).parameters
    known = read_json(folder, "tokenizer_config.json").get("model_input_names")
    if known is None:
        known = ["input_ids", "attention_mask"] + (["token_type_ids"] if getattr(config, "type_vocab_size", 0) > 1 else [])
    names = [name for name in ("input_ids", "token_type_ids", "attention_mask") if name in known and name in takes]
    names = sorted(names or ["input_ids"], key=list(takes).index)
    length = min(tokens, getattr(config, "max_position_embeddings", None) or tokens)
    makers = {"input_ids": make_tokens(config), "attention_mask": make_mask, "token_type_ids": lambda shape: torch.zeros(shape, dtype=torch.int64)}
    return [Feed(name, (1, length), makers[name], [0, 1]) for name in names]


def make_tokens(config):
    padding = getattr(config, "pad_token_id", None)
    others = [token for token in range(config.vocab_size) if token != padding]

    def make(shape):
        return torch.tensor(others)[torch.randint(0, len(others), shape)]

    return make


def make_mask(shape):
    """All tokens but the last third of every second text."""
    mask = torch.ones(shape, dtype=torch.int64)
    mask[1::2, shape[1] - shape[1] // 3 :] = 0
    return mask
