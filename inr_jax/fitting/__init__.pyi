from .batch import fit_batch as fit_batch
from .clip_fit import ClipFit as ClipFit
from .clip_fit import SegmentFit as SegmentFit
from .clip_fit import fit as fit
from .clip_fit import load_fit as load_fit
