"""The report of a run of `denoise`: a line or a JSON object for each file, a summary."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from inr_jax.cli import app
from inr_jax.errors import listed

if TYPE_CHECKING:  # --help answers before anything heavy loads
    from inr_jax.enhancement.files import Job, LeftOut, Outcome


class Report:
    """Reports each file as it is done, and a summary at the end.

    Attributes:
      exit_code: Bad input where a file failed or could not be read.
    """

    def __init__(
        self, left_out: "LeftOut", already: "Sequence[Job]", stream: Any = None
    ):
        """Reports the files that are left out.

        Args:
          left_out: Inputs that cannot be read.
          already: Jobs that are done.
          stream: Gets a JSON object for each job, a line each, where it is given.
        """
        from inr_jax.enhancement.levels import Levels

        self.exit_code = app.print_problems(left_out.problems)
        self._left_out, self._already, self._stream = left_out, already, stream
        self._failed: list[str] = []
        self._num_done, self._seconds, self._levels = 0, 0.0, Levels()
        for job in already:
            self._object(source=job.source, target=job.target, status="done already")

    def add(self, outcome: "Outcome") -> None:
        """Reports the outcome of a job."""
        job, measured = outcome.job, outcome.measured
        if outcome.error:
            self.exit_code = app.print_error(outcome.error)
            self._failed.append(job.source)
            values = {"status": "failed", "error": outcome.error}
        else:
            if outcome.remark:
                print(outcome.remark, file=sys.stderr)
            self._num_done += 1
            self._seconds += measured.seconds
            self._levels += measured.levels
            values = {"status": "done", "remark": outcome.remark}
            values |= _numbers(measured.seconds, measured.work_s, measured.levels)
        self._object(source=job.source, target=job.target, **values)

    def finish(self, elapsed_s: float) -> None:
        """Prints the summary.

        Args:
          elapsed_s: Seconds that the work took, of all files together.
        """
        if self._stream:
            self._object(
                summary={
                    "done": self._num_done,
                    "done_already": len(self._already),
                    "failed": len(self._failed),
                    "problems": self._left_out.problems,
                    "hidden": len(self._left_out.hidden),
                    **_numbers(self._seconds, elapsed_s, self._levels),
                }
            )
            return
        if self._num_done:
            print(self._done(elapsed_s), file=sys.stderr)
        others = self._others()
        is_named = not (self._num_done or self._already or self._left_out.hidden)
        if others and not is_named:
            print(f"not denoised: {'; '.join(others)}", file=sys.stderr)

    def _done(self, elapsed_s):
        files = "1 file" if self._num_done == 1 else f"{self._num_done} files"
        text = (
            f"denoised {files}, {self._seconds:.1f} s of sound in {elapsed_s:.1f} s, "
            f"real-time factor {elapsed_s / max(self._seconds, 1e-9):.3g}"
        )
        numbers = (self._levels.snr_db, self._levels.noise_reduction_db)
        if None not in numbers:
            text += "; estimated: SNR before {:.1f} dB, noise {:.1f} dB down".format(
                *numbers
            )
        return text

    def _others(self):
        groups = (
            ("done already", [job.source for job in self._already]),
            ("failed", self._failed),
            ("hidden", self._left_out.hidden),
        )
        texts = [f"{len(x)} {what} ({listed(x)})" for what, x in groups if x]
        if self._left_out.problems:
            texts.append("see the errors above for what cannot be read")
        return texts

    def _object(self, **values):
        if self._stream:
            print(json.dumps(values), file=self._stream, flush=True)


def _numbers(seconds, work_s, levels):
    values = {
        "seconds": seconds,
        "work_s": work_s,
        "real_time_factor": work_s / seconds if seconds else None,
        "snr_db": levels.snr_db,
        "noise_reduction_db": levels.noise_reduction_db,
    }
    return {k: None if v is None else round(v, 4) for k, v in values.items()}
