from .batch import fit_batch as fit_batch
from .clip_fit import ClipFit as ClipFit
from .clip_fit import SegmentFit as SegmentFit
from .clip_fit import load_fit as load_fit
from .siren import Fit as Fit
from .siren import fit as fit
