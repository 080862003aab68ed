"""SepFormer for speech enhancement and its published weights."""
