"""The notebook runs from the first cell to the last, at toy size."""

import nbclient
import nbformat
import pytest
from conftest import REPOSITORY

pytestmark = pytest.mark.slow

NOTEBOOK = REPOSITORY / "experiments" / "colab.ipynb"


@pytest.mark.optimized
def test_every_cell_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("INR_JAX_TOY", "1")
    monkeypatch.setenv("INR_JAX_OUT", str(tmp_path))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    client = nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": NOTEBOOK.parent}}
    )
    client.execute()
    printed = "".join(
        output.get("text", "")
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    )
    assert "denoised: SI-SDR" in printed and "the best weights" in printed
    shown = [
        kind
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        for kind in output.get("data", {})
    ]
    assert shown.count("text/html") >= 3  # players
    assert "image/png" in shown and "text/markdown" in shown
