from . import augment as augment
from . import datasets as datasets
from . import decoded_cache as decoded_cache
from . import librispeech as librispeech
from . import noise as noise
from . import prefetch as prefetch
from . import rooms as rooms
