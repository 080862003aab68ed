import numpy as np
import pytest

from inr_jax.parallel import bucketing


@pytest.mark.parametrize(
    "num_samples", [1, 256, 257, 512, 5000, 8192, 101_360, 558_000]
)
def test_bucket_holds_the_clip_and_wastes_a_quarter_at_most(num_samples):
    size = bucketing.bucket_size(num_samples)
    assert num_samples <= size <= max(256, 1.25 * num_samples + 1)
    assert bucketing.bucket_size(size) == size


def test_few_buckets_cover_all_of_librispeech():
    sizes = {bucketing.bucket_size(n) for n in range(16_000, 560_000, 100)}
    assert len(sizes) <= 22


def test_every_clip_runs_once_and_buckets_keep_one_shape():
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 60_000, 57).tolist()
    rates = rng.choice([8000, 16_000], 57).tolist()
    batches = bucketing.plan(lengths, rates, max_samples=100_000)
    own = [i for b in batches for i in b.clips[: b.num_clips]]
    assert sorted(own) == list(range(57))
    shapes = {}
    for batch in batches:
        assert all(lengths[i] <= batch.size for i in batch.clips)
        assert all(rates[i] == batch.sample_rate for i in batch.clips)
        assert len(batch.clips) * batch.size <= 100_000
        key = (batch.size, batch.sample_rate)
        assert shapes.setdefault(key, len(batch.clips)) == len(batch.clips)


def test_batches_of_any_number_of_clips_have_few_sizes():
    sizes = {}
    for count in range(1, 257):
        (batch,) = bucketing.plan([500] * count, [16_000] * count, max_samples=2**17)
        sizes[count] = len(batch.clips)
        assert count <= sizes[count] <= 1.25 * count
    assert len(set(sizes.values())) <= 28
    assert all(sizes[count] == count for count in range(1, 9))
    (batch,) = bucketing.plan([500] * 17, [16_000] * 17, max_samples=18 * 512)
    assert len(batch.clips) == 18  # no more than there is memory for


def test_a_clip_longer_than_the_limit_runs_alone():
    (batch,) = bucketing.plan([50_000], [16_000], max_samples=10)
    assert batch.clips == (0,)


def test_pad_puts_zeros_behind():
    padded = bucketing.pad([np.ones(2), np.ones(3)], 4)
    np.testing.assert_array_equal(padded, [[1, 1, 0, 0], [1, 1, 1, 0]])
