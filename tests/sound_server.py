"""A PulseAudio server of our own, without a sound card: fixtures.

Its only card is a null sink whose left channel is the air before a microphone and whose
right channel is what is heard, so that one recording has both on one clock.
"""

import os
import shutil
import subprocess
import time

import numpy as np
import pytest

RATE = 48_000
LEFT, RIGHT = (
    f"channels=1 remix=no master_channel_map=front-{side} channel_map=mono"
    for side in ("left", "right")
)
MODULES = (
    "module-native-protocol-unix socket={folder}/socket auth-anonymous=1",
    f"module-null-sink sink_name=room rate={RATE} channels=2",
    f"module-remap-sink sink_name=voice master=room {LEFT}",
    f"module-remap-sink sink_name=speaker master=room {RIGHT}",
    f"module-remap-source source_name=microphone master=room.monitor {LEFT}",
)
RAW = ("--raw", "--format=float32le", f"--rate={RATE}")


class Server:
    """A running server.

    Attributes:
      environment: Of programs that are to use it.
    """

    def __init__(self, folder):
        """Starts."""
        self.environment = {
            **os.environ,
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "PULSE_SERVER": f"unix:{folder}/socket",
            "PULSE_SOURCE": "microphone",
            "PULSE_SINK": "speaker",
        }
        loads = [f"--load={module.format(folder=folder)}" for module in MODULES]
        self._process = subprocess.Popen(
            ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", *loads],
            env=self.environment,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(100):
            if (folder / "socket").exists():
                return
            time.sleep(0.1)
        self.stop()
        pytest.fail("PulseAudio does not start")

    def stop(self):
        """Ends it, as when the machine loses its sound."""
        self._process.terminate()
        self._process.wait(10)

    def start(self, *command, **kwargs):
        """Starts a program that uses it."""
        return subprocess.Popen(command, env=self.environment, **kwargs)

    def play(self, samples):
        """Plays samples (samples,) before the microphone; a process."""
        command = ("pacat", "--playback", *RAW, "--channels=1", "--device=voice")
        process = self.start(*command, stdin=subprocess.PIPE)
        process.stdin.write(np.asarray(samples, "<f4").tobytes())
        process.stdin.close()
        return process

    def record(self, path):
        """Writes what is said and heard to a file; a process."""
        command = ("parec", *RAW, "--channels=2", "--device=room.monitor")
        return self.start(*command, stdout=open(path, "wb"))


@pytest.fixture
def server(tmp_path):
    try:
        import sounddevice  # noqa: F401
    except (ImportError, OSError) as error:
        pytest.skip(f"needs sounddevice and PortAudio: {error}")
    missing = [x for x in ("pulseaudio", "pacat", "parec") if not shutil.which(x)]
    if missing:
        pytest.skip(f"needs PulseAudio: no {', '.join(missing)}")
    started = Server(tmp_path)
    yield started
    started.stop()
