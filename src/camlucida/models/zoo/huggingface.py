"""Image classifiers and semantic segmenters of Hugging Face ``transformers``.

Their weights, labels and preprocessing. Code that a repository brings is never run.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from camlucida.core.errors import ModelError
from camlucida.models.zoo.image_processor import STATES_SCALE, input_of_processor
from camlucida.models.zoo.package import Args, Defaults, Zoo, comes_from, import_package

_AUTO_CLASSES = {
    "ForImageClassification": "AutoModelForImageClassification",
    "ForImageClassificationWithTeacher": "AutoModelForImageClassification",
    "ForSemanticSegmentation": "AutoModelForSemanticSegmentation",
}
"""End of an architecture's name → the class that loads it."""

_PROBLEMS = {
    "single_label_classification": "multiclass",
    "multi_label_classification": "multilabel",
    "regression": "regression",
}
"""``config.problem_type`` → task."""

_PROCESSOR = "preprocessor_config.json"


def config_facts(config: Any) -> Defaults:
    """Task and labels, as the ``config`` of a Hugging Face model states them.

    Args:
        config: any object, or None.

    >>> from types import SimpleNamespace
    >>> config_facts(SimpleNamespace(problem_type="regression", id2label={0: "LABEL_0"}))
    {'task': 'regression'}
    """
    facts: Defaults = {}
    problem = getattr(config, "problem_type", None)
    if problem in _PROBLEMS:
        facts["task"] = _PROBLEMS[problem]
    names = getattr(config, "id2label", None)
    if isinstance(names, Mapping) and names:
        labels = [str(names.get(i, "")) for i in range(len(names))]
        named = any(label != f"LABEL_{i}" for i, label in enumerate(labels))
        if named and all(labels):
            facts["labels"] = tuple(labels)
    return facts


def _build(name: str, args: Args, pretrained: bool) -> nn.Module:
    transformers = import_package("transformers", "hf")
    _check_name(name)
    with _silent(transformers):
        config = _config(transformers, name, args, pretrained)
        auto = getattr(transformers, _auto_class(name, config))
        if not pretrained:
            config.dtype = torch.float32
            built: nn.Module = auto.from_config(config, trust_remote_code=False)
            return built
        module, loading = auto.from_pretrained(
            name,
            config=config,
            revision=args.get("revision"),
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            trust_remote_code=False,
        )
    _check_weights(name, loading)
    loaded: nn.Module = module
    return loaded


def _check_name(name: str) -> None:
    """Refuse a folder that does not exist: repositories are called ``organisation/name``."""
    looks_local = name.startswith((".", "/", "~")) or name.count("/") != 1
    if looks_local and not Path(name).is_dir():
        fix = (
            "write hf: and the folder that save_pretrained wrote, or a repository such as org/name"
        )
        raise ModelError(f"hf:{name}: there is no such folder", fix)
    if Path(name).is_dir() and not (Path(name) / "config.json").is_file():
        raise ModelError(
            f"hf:{name}: the folder has no config.json", "save the model by model.save_pretrained"
        )


def _config(transformers: ModuleType, name: str, args: Args, pretrained: bool) -> Any:
    """The configuration, with the card's ``args`` in the place of its own values."""
    options = {key: value for key, value in args.items() if key != "revision"}
    config, unused = transformers.AutoConfig.from_pretrained(
        name,
        revision=args.get("revision"),
        local_files_only=not pretrained,
        trust_remote_code=False,
        return_unused_kwargs=True,
        **options,
    )
    strangers = sorted(set(unused) & set(options))
    if strangers:
        what = f"hf:{name}: args.{strangers[0]} is no value of a {type(config).__name__}"
        raise ModelError(what, "leave it out")
    return config


def _auto_class(name: str, config: Any) -> str:
    stated = list(getattr(config, "architectures", None) or ())
    for architecture in stated:
        for ending, auto in _AUTO_CLASSES.items():
            if architecture.endswith(ending):
                return auto
    kind = f"a {stated[0]}" if stated else "a configuration without an architecture"
    raise ModelError(
        f"hf:{name} is {kind}, neither an image classifier nor a semantic segmenter",
        "name a model whose class ends in ForImageClassification or ForSemanticSegmentation, or "
        'build it in a file of your own: factory = "net.py:build"',
    )


def _check_weights(name: str, loading: Mapping[str, Any]) -> None:
    """Refuse a model of which some weights would be random."""
    mismatched = [entry[0] for entry in loading.get("mismatched_keys", ())]
    random = sorted([*map(str, loading.get("missing_keys", ())), *mismatched])
    if random:
        others = f" and {len(random) - 1} more" if len(random) > 1 else ""
        raise ModelError(
            f"hf:{name} holds no fitting weights for {random[0]}{others}, which would be random",
            "name the fine-tuned model, or give checkpoint = … in the card",
        )


@contextmanager
def _silent(transformers: ModuleType) -> Iterator[None]:
    """No bars of progress and no reports: what is wrong with a model is said in one line."""
    log, hub = transformers.utils.logging, logging.getLogger("huggingface_hub")
    verbosity, bars, of_hub = log.get_verbosity(), log.is_progress_bar_enabled(), hub.level
    log.set_verbosity(log.CRITICAL)
    log.disable_progress_bar()
    hub.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        hub.setLevel(of_hub)
        log.set_verbosity(verbosity)
        if bars:
            log.enable_progress_bar()


def _facts(module: nn.Module) -> Defaults:
    if not comes_from(module, "transformers"):
        return {}
    facts = config_facts(getattr(module, "config", None))
    if type(module).__name__.endswith("ForSemanticSegmentation"):
        return {**facts, "task": "segmentation"}
    return facts


def _defaults(name: str, args: Args, pretrained: bool, module: nn.Module) -> Defaults:
    return _facts(module)


def _input(
    name: str, args: Args, pretrained: bool, module: nn.Module, stated: frozenset[str]
) -> Defaults:
    """What the image processor beside the weights does, where the card does not state it."""
    channels = int(getattr(module.config, "num_channels", None) or 3)
    if stated & {"steps", "transform"}:
        return {"channels": channels}
    transformers = import_package("transformers", "hf")
    with _silent(transformers):
        processor = _processor(transformers, name, args.get("revision"), not pretrained)
    if processor is not None:
        return input_of_processor(processor, channels, f"hf:{name}")
    if not stated & STATES_SCALE:
        raise ModelError(
            f"hf:{name} has no {_PROCESSOR}: how its images were prepared is not known",
            "save it beside the model (image_processor.save_pretrained), or write mean, std and "
            "size under [input] of a card",
        )
    fields: Defaults = {"channels": channels}
    size = getattr(module.config, "image_size", None)
    return fields if size is None else {**fields, "size": size}


def _processor(
    transformers: ModuleType, name: str, revision: str | None, offline: bool
) -> Any | None:
    file = transformers.utils.cached_file(
        name,
        _PROCESSOR,
        revision=revision,
        local_files_only=offline,
        _raise_exceptions_for_missing_entries=False,
    )
    if file is None:
        return None
    return transformers.AutoImageProcessor.from_pretrained(
        name, revision=revision, local_files_only=offline, trust_remote_code=False
    )


HUGGINGFACE = Zoo(_build, _defaults, _facts, _input)
