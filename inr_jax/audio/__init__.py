"""Recordings: decoding, encoding, resampling, loudness."""
