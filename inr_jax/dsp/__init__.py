"""Signal processing: STFT, mel filterbanks, overlap-add, noise PSD."""
