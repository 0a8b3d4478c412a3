"""Records of detection in feature space on images: bad input is refused before anything is computed."""

import pytest

from diffad.feature_experiments import main, run_mvtec


def test_another_protocol_is_refused():
    with pytest.raises(ValueError, match="protocol: got 'fair', expected one of official, redrawn"):
        run_mvtec("screw", "fair")


def test_another_category_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--category", "spoon"])
    assert "invalid choice: 'spoon'" in capsys.readouterr().err
