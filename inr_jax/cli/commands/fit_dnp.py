"""Fits DNP to noisy clips and scores both of its masks, of one fit.

  inr-jax fit-dnp --pairs_dir=DIR --output_dir=results/dnp

A step of one second of sound takes about a third of a second on two cores, and 5,000
are published. Interrupted and started again with the same flags, it resumes in the midst of
a fit. The scores of inr-jax evaluate --methods=noisy,dnp:mask=wiener,dnp:mask=lsa, under
the names dnp_wiener and dnp_lsa.
"""

from absl import flags

from inr_jax.cli import app, scoring
from inr_jax.cli.flags import datasets, outputs
from inr_jax.configs.fitting import MASKS, DnpConfig

for _module in (app, datasets, outputs):
    flags.adopt_module_key_flags(_module)
NUM_STEPS = flags.DEFINE_integer(
    "num_steps", DnpConfig.num_steps, "Full-batch steps; as published.", 1
)


def main() -> int:
    from inr_jax.configs.methods import METHODS, Method
    from inr_jax.evaluation import systems
    from inr_jax.evaluation.store import Store

    folder = outputs.folder()
    conditions = datasets.conditions()
    source = datasets.source()
    methods = [Method("noisy", "noisy", METHODS["noisy"])]
    for mask in MASKS:
        config = DnpConfig(num_steps=NUM_STEPS.value, mask=mask)
        methods.append(Method(f"dnp_{mask}", "dnp", config))
    scored = systems.make(methods, folder / systems.UNFINISHED)
    settings = datasets.settings()
    store = Store(folder)
    described = scoring.described(methods)
    with scoring.filled(store, source, settings, described):
        code = scoring.run(store, source, scored, conditions)
    labels = [method.label for method in methods]
    scoring.show(store, source, labels, conditions, figures=False, page=False)
    return code
