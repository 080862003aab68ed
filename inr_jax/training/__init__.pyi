from . import hypernetwork as hypernetwork
from . import loop as loop
from . import meter as meter
from . import run as run
from . import state as state
from . import validation as validation
