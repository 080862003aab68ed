"""Nothing is lost where a script is killed: few kills here, as many as you like by hand."""

import kill_at_random
import pytest


@pytest.mark.parametrize("script", ["denoise", "fit_siren"])
def test_what_is_killed_goes_on_to_the_same_result(script, tmp_path):
    kill_at_random.survives(script, 3, tmp_path)
