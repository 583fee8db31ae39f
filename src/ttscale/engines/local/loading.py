"""Loading a model and its tokenizer, with errors that say what is missing and what to do."""

from __future__ import annotations

import contextlib
import difflib
import gc
import importlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core import ModelNotFound, UsageError, install_command

_GENERATES = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
_JUDGES = ("ForTokenClassification", "ForSequenceClassification")


@dataclass(slots=True)
class Loaded:
    """A model ready to run.

    Attributes:
        context: tokens of prompt and reply together, as its configuration says; None if unbounded.
        ends: ids of the tokens that end a reply.
        taste: the sampling settings its authors recommend (generation_config.json).
    """

    model: Any
    tokenizer: Any
    device: Any
    context: int | None
    ends: frozenset[int]
    taste: dict[str, Any]


def need(module: str) -> Any:
    """Import torch or transformers, or say how to install them."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        missing = (error.name or module).partition(".")[0]
        raise UsageError(
            f"a transformers model needs {missing}, which is not installed", fix=install_command("torch")
        ) from None


def located(name: str | Path) -> str:
    """The folder a model is in, or its name on the hub.

    Raises `UsageError` for a folder that is missing or holds no model.
    """
    text = os.path.expanduser(str(name))
    path = Path(text)
    if path.is_file():
        fix = "write llamacpp:FILE for a GGUF" if path.suffix == ".gguf" else "give its folder"
        raise UsageError(f"{text!r} is a file, not a folder with a transformers model", fix=fix)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise UsageError(f"folder {text!r} holds no transformers model", fix="it needs a config.json")
        return text
    hub_name = text.count("/") <= 1 and not text.startswith((".", "/", "~")) and "\\" not in text
    if not hub_name or not text or (path.parent != Path(".") and path.parent.is_dir()):
        near = _nearest_folder(path)
        raise UsageError(
            f"model folder {text!r} is missing",
            fix=f"did you mean {str(near)!r}?" if near else "give a model's folder",
        )
    return text


def _nearest_folder(path: Path) -> Path | None:
    if not path.parent.is_dir():
        return None
    names = [p.name for p in path.parent.iterdir() if p.is_dir()]
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.7)
    return path.parent / near[0] if near else None


def pick_device(name: str) -> Any:
    """The torch device `name` stands for; "auto" is the first GPU, if there is one."""
    torch = need("torch")
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        why = str(error).partition("\n")[0]
        raise UsageError(f"device {name!r} cannot be used ({why})", fix="give auto or cpu") from None
    return device


def pick_dtype(name: str | None, device: Any) -> Any:
    """A torch dtype. By default what the weights were saved in, but float32 on a CPU, where
    half precision is slow."""
    torch = need("torch")
    if name is None:
        return torch.float32 if device.type == "cpu" else "auto"
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise UsageError(f"dtype {name!r} is unknown", fix="give float32, bfloat16 or float16")
    return dtype


def load(name: str, device: str, dtype: str | None, revision: str | None) -> Loaded:
    """Load a causal language model: what is on disk first, the hub only if it is not there."""
    transformers = need("transformers")
    torch_device = pick_device(device)
    config = _from(transformers.AutoConfig, name, revision)
    _must_generate(name, config)
    model = _weights(transformers.AutoModelForCausalLM, name, revision, dtype, torch_device)
    config = model.config.get_text_config()
    _must_cache(name, model, config)
    tokenizer = _from(transformers.AutoTokenizer, name, revision)
    generation = getattr(model, "generation_config", None)
    return Loaded(
        model=model,
        tokenizer=tokenizer,
        device=torch_device,
        context=getattr(config, "max_position_embeddings", None),
        ends=_ends(generation, config, tokenizer),
        taste=_taste(generation),
    )


def load_judge(name: str, device: str, dtype: str | None, revision: str | None) -> tuple[Loaded, bool]:
    """Load a reward model; also whether it scores every token rather than the whole text."""
    transformers = need("transformers")
    torch_device = pick_device(device)
    config = _from(transformers.AutoConfig, name, revision)
    kinds = [a for a in config.architectures or () if a.endswith(_JUDGES)]
    if not kinds:
        held = ", ".join(config.architectures or ()) or "no declared architecture"
        raise UsageError(
            f"model {name!r} is not a reward model ({held})",
            fix="give one with a token or sequence classification head",
        )
    by_token = kinds[0].endswith(_JUDGES[0])
    auto = "AutoModelForTokenClassification" if by_token else "AutoModelForSequenceClassification"
    model = _weights(getattr(transformers, auto), name, revision, dtype, torch_device)
    tokenizer = _from(transformers.AutoTokenizer, name, revision)
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return Loaded(model, tokenizer, torch_device, context, frozenset(), {}), by_token


def load_encoder(name: str, device: str, dtype: str | None) -> tuple[Loaded, str, bool]:
    """Load a sentence-transformers folder: (model, pooling, whether vectors have length one)."""
    transformers = need("transformers")
    folder = Path(located(name))
    modules = _json(folder / "modules.json")
    kinds = [m["type"].rpartition(".")[2] for m in modules]
    unknown = [k for k in kinds if k not in ("Transformer", "Pooling", "Normalize")]
    if unknown or kinds[:2] != ["Transformer", "Pooling"]:
        raise UsageError(
            f"{str(folder)!r} is made of {', '.join(kinds)}",
            fix="give an embedder made of a transformer, pooling and normalisation",
        )
    pooling = _json(folder / modules[1]["path"] / "config.json")
    modes = [
        k.removeprefix("pooling_mode_")
        for k, v in pooling.items()
        if k.startswith("pooling_mode_") and v is True
    ]
    names = {"mean_tokens": "mean", "cls_token": "cls", "lasttoken": "last"}
    if len(modes) != 1 or modes[0] not in names:
        raise UsageError(
            f"{str(folder)!r} pools by {' and '.join(modes) or 'nothing'}",
            fix="give an embedder that pools by mean, cls or last token",
        )
    torch_device = pick_device(device)
    where = str(folder / modules[0]["path"]) if modules[0]["path"] else str(folder)
    model = _weights(transformers.AutoModel, where, None, dtype, torch_device)
    tokenizer = _from(transformers.AutoTokenizer, where, None)
    settings = folder / "sentence_bert_config.json"
    longest = _json(settings).get("max_seq_length") if settings.is_file() else None
    context = longest or getattr(model.config, "max_position_embeddings", None)
    loaded = Loaded(model, tokenizer, torch_device, context, frozenset(), {})
    return loaded, names[modes[0]], "Normalize" in kinds


def free(device: Any) -> None:
    """Give a GPU's memory back, once nothing refers to the model any more."""
    if device.type == "cuda":
        gc.collect()
        need("torch").cuda.empty_cache()


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{str(path)!r} cannot be read ({error})", fix="give a sentence-transformers folder"
        ) from None


def _from(auto: Any, name: str, revision: str | None, **settings: Any) -> Any:
    """`from_pretrained`, its errors translated."""

    def attempt(local: bool) -> Any:
        return auto.from_pretrained(name, revision=revision, local_files_only=local, **settings)

    folder = os.path.isdir(name)
    with _quiet():
        try:
            return attempt(True)
        except Exception as error:
            if folder:
                raise _broken(name, error) from None
        return _fetch(name, attempt)


def _fetch(name: str, attempt: Callable[[bool], Any]) -> Any:
    """Ask the hub for what is not on this machine."""
    offline = need("huggingface_hub.constants").HF_HUB_OFFLINE
    reason = "the hub is switched off (HF_HUB_OFFLINE)"
    if not offline:
        try:
            return attempt(False)
        except Exception as error:
            reason = _line(error)
    raise ModelNotFound(
        f"model {name!r} is neither a folder nor on this machine, and cannot be fetched ({reason})",
        fix="give a folder, or download it first",
    )


def _broken(name: str, error: Exception) -> UsageError:
    if isinstance(error, UsageError):
        return error
    return UsageError(
        f"model {name!r} cannot be loaded ({type(error).__name__}: {_line(error)})",
        fix="see whether the folder is complete",
    )


def _line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _weights(auto: Any, name: str, revision: str | None, dtype: str | None, device: Any) -> Any:
    kind = pick_dtype(dtype, device)
    model = _from(auto, name, revision, dtype=kind)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return model.eval().to(device)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and no advice from transformers while it loads."""
    logging = need("transformers.utils.logging")
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _must_generate(name: str, config: Any) -> None:
    kinds = list(config.architectures or ())
    if not kinds or any(kind.endswith(_GENERATES) for kind in kinds):
        return
    fix = "give a causal language model"
    if any(kind.endswith(_JUDGES) for kind in kinds):
        fix = "use it as a reward model, or give a causal language model"
    raise UsageError(f"model {name!r} is not a causal language model ({', '.join(kinds)})", fix=fix)


def _must_cache(name: str, model: Any, config: Any) -> None:
    """Rows come and go by cutting their keys and values out of the batch; a recurrent state cannot
    be padded like that."""
    kinds = set(getattr(config, "layer_types", None) or ())
    recurrent = any("attention" not in kind or "linear" in kind for kind in kinds)
    shared = getattr(config, "num_kv_shared_layers", 0)
    if recurrent or shared or getattr(model, "_is_stateful", False):
        what = "layers that share a cache" if shared else "recurrent layers"
        raise UsageError(
            f"model {name!r} has {what}, which cannot be batched here", fix="serve it with vLLM or llama.cpp"
        )


def _ends(generation: Any, config: Any, tokenizer: Any) -> frozenset[int]:
    found: set[int] = set()
    for source in (generation, config, tokenizer):
        ids = getattr(source, "eos_token_id", None)
        found.update(ids if isinstance(ids, (list, tuple)) else () if ids is None else (ids,))
    return frozenset(int(i) for i in found)


def _taste(generation: Any) -> dict[str, Any]:
    """What generation_config.json recommends, as far as it says so."""
    if generation is None:
        return {}
    declared = generation.to_diff_dict()
    names = ("temperature", "top_p", "top_k", "min_p")
    return {n: declared[n] for n in names if declared.get(n) is not None}
