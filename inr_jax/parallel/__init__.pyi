from .compute import ComputeConfig as ComputeConfig
from .compute import default_compute as default_compute
