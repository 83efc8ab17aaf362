"""Cost of Grad-CAM on many networks of timm, at the layer that is proposed, one image each.

    python benchmarks/networks.py [--only PART …] [--rounds 5] [--again]

Five networks hide what happens to the sixth. Results are added to benchmarks/networks.json, from
which networks.md is made; how a time is taken stands in benchmarks/speed.py.
"""

from __future__ import annotations

import argparse
import json
import statistics
import warnings
from pathlib import Path
from typing import Any

import torch
from speed import LABEL, LABELS, Pair, Run, ratios, turn

import camlucida as cl

RESULTS = Path(__file__).parent / "networks.json"
NETWORKS = (
    *("resnet18", "resnet26t", "resnext50_32x4d", "seresnet50", "wide_resnet50_2", "resnetv2_50"),
    *("densenet121", "vgg11_bn", "inception_v3", "inception_resnet_v2", "xception41", "dpn68"),
    *("regnetx_004", "regnety_004", "dla34", "hrnet_w18_small", "hgnetv2_b0", "cspresnet50"),
    *("efficientnet_b0", "tf_efficientnetv2_b0", "efficientnet_lite0", "mnasnet_100"),
    *("mobilenetv3_small_100", "mobilenetv3_large_100", "mobilenetv4_conv_small", "ghostnet_100"),
    *("fbnetc_100", "lcnet_050", "repvgg_a0", "mobileone_s0", "fastvit_t8", "repvit_m1"),
    *("convnext_atto", "convnextv2_atto", "nfnet_l0", "poolformer_s12", "mobilevit_s"),
    *("vit_tiny_patch16_224", "deit3_small_patch16_224", "cait_xxs24_224", "beit_base_patch16_224"),
    *("eva02_tiny_patch14_224", "vit_small_patch14_reg4_dinov2", "swin_tiny_patch4_window7_224"),
    *("swinv2_cr_tiny_224", "hiera_tiny_224", "maxvit_rmlp_pico_rw_256", "coat_lite_mini"),
    *("pvt_v2_b0", "mixer_s32_224", "resmlp_12_224", "xcit_nano_12_p16_224", "edgenext_x_small"),
    *("efficientformer_l1", "focalnet_tiny_srf", "davit_tiny", "levit_128s", "twins_svt_small"),
)
PLAIN, ONE, ALL = "plain forward", "1 label", f"{LABELS} labels"


def measured(name: str, rounds: int) -> dict[str, Any]:
    """What is timed → its seconds and ratios to a plain forward; the layer that is proposed."""
    import timm

    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=LABELS).eval()
    x = torch.randn(1, *model.pretrained_cfg["input_size"])

    def plain() -> object:
        with torch.no_grad():
            return model(x)

    def explained(labels: list[int]) -> Run:
        return lambda: cl.explain(model, x, labels)

    runs = {PLAIN: plain, ONE: explained([LABEL]), ALL: explained(list(range(LABELS)))}
    layer = cl.explain(model, x, LABEL)[0].layer
    pairs: dict[str, list[Pair]] = {what: [] for what in runs}
    for _ in range(rounds):
        for what, run in runs.items():
            pairs[what] += turn(run, plain)
    return {"layer": layer} | {what: ratios(taken) for what, taken in pairs.items()}


def markdown(results: dict[str, Any]) -> str:
    """All results as a table, and what they come to."""
    lines = ["# Grad-CAM on many networks\n"]
    for what in (ONE, ALL):
        values = [row[what]["ratio"] for row in results.values()]
        low, high = min(values), max(values)
        lines.append(
            f"{what}: {statistics.median(values):.2f} × a plain forward in the median of "
            f"{len(values)} networks, {low:.2f} to {high:.2f}.\n"
        )
    lines += [
        "| network | layer | plain forward, ms | 1 label | 18 labels |",
        "|---|---|---|---|---|",
    ]
    for name, row in results.items():
        cells = f"{row[PLAIN]['seconds'] * 1000:.0f} | {row[ONE]['ratio']:.2f}"
        lines.append(f"| {name} | `{row['layer']}` | {cells} | {row[ALL]['ratio']:.2f} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure what is missing, and write after each network."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", default=[""], help="starts of names")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--again", action="store_true", help="also what is measured already")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    results = json.loads(options.out.read_text()) if options.out.is_file() else {}
    for name in NETWORKS:
        if not name.startswith(tuple(options.only)) or (name in results and not options.again):
            continue
        results[name] = measured(name, options.rounds)
        print(name, results[name], flush=True)
        results = {key: results[key] for key in NETWORKS if key in results}
        options.out.write_text(json.dumps(results, indent=1) + "\n")
        options.out.with_suffix(".md").write_text(markdown(results))


if __name__ == "__main__":
    main()
