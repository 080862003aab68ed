"""SpeechBrain's own SepFormer, where torch and speechbrain are installed.

  python tests/speechbrain_oracle.py

writes `data/sepformer_tiny.npz` anew: random weights of a tiny model, a signal, and what
SpeechBrain makes of it.
"""

import importlib.machinery
import pathlib
import sys
import types

import numpy as np

DATA = pathlib.Path(__file__).parent / "data" / "sepformer_tiny.npz"
TINY = {"channels": 8, "chunk": 10, "num_layers": 2, "num_heads": 2, "hidden": 12}


def load():
    """torch and SpeechBrain's module of SepFormer; ImportError where they are not."""
    # torchaudio's wheels need CUDA's libraries, and nothing here needs torchaudio
    stub = types.ModuleType("torchaudio")
    stub.__version__, stub.__path__ = "2", []
    stub.__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)
    stub.list_audio_backends = list
    sys.modules.setdefault("torchaudio", stub)
    import torch
    from speechbrain.lobes.models import dual_path

    return torch, dual_path


def build(config, seed: int = 0) -> dict:
    """Encoder, masknet and decoder with random weights, normalisations too."""
    torch, dual_path = load()
    torch.manual_seed(seed)
    width = config.channels

    def transformer():
        return dual_path.SBTransformerBlock(
            num_layers=config.num_layers,
            d_model=width,
            nhead=config.num_heads,
            d_ffn=config.hidden,
            use_positional_encoding=True,
            norm_before=True,
        )

    parts = {
        "encoder": dual_path.Encoder(config.kernel, width),
        "masknet": dual_path.Dual_Path_Model(
            width,
            width,
            transformer(),
            transformer(),
            num_layers=config.num_blocks,
            K=config.chunk,
            num_spks=1,
            norm="ln",
            linear_layer_after_inter_intra=False,
            skip_around_intra=True,
        ),
        "decoder": dual_path.Decoder(
            width, 1, config.kernel, stride=config.hop, bias=False
        ),
    }
    with torch.no_grad():
        for part in parts.values():
            part.eval()
            for name, value in part.named_parameters():
                if value.ndim == 1 or "norm" in name:  # 0 and 1 would hide mistakes
                    value += 0.1 * torch.randn_like(value)
    return parts


def tensors(parts) -> dict[str, np.ndarray]:
    """State dicts as arrays, names beginning with the part."""
    return {
        f"{name}.{key}": value.numpy()
        for name, part in parts.items()
        for key, value in part.state_dict().items()
    }


def run(parts, noisy: np.ndarray) -> dict[str, np.ndarray]:
    """Features and mask (frames, channels) and the signal that the decoder gives."""
    torch, _ = load()
    with torch.no_grad():
        features = parts["encoder"](torch.from_numpy(noisy)[None])
        mask = parts["masknet"](features)[0]
        estimate = parts["decoder"](features * mask)
    return {
        "features": features[0].T.numpy(),
        "mask": mask[0].T.numpy(),
        "estimate": estimate.numpy().reshape(-1),
    }


def main():
    """Writes the golden file."""
    from inr_jax.configs.sepformer import SepformerConfig
    from inr_jax.models.sepformer.params import TABLE

    parts = build(SepformerConfig(**TINY))
    noisy = np.random.default_rng(0).standard_normal(1003).astype(np.float32)
    weights = {k: v for k, v in tensors(parts).items() if not k.endswith(TABLE)}
    found = {f"_{name}": value for name, value in run(parts, noisy).items()}
    np.savez_compressed(DATA, **weights, _noisy=noisy, **found)


if __name__ == "__main__":
    main()
