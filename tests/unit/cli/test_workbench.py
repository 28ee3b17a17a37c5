import pytest

from batchwright.cli.workbench import Workbench
from batchwright.config import EMULATOR_VARIABLE, Environment, Settings
from batchwright.errors import ConfigurationError

REAL = Workbench.over(Settings(environment=Environment({})))
EMULATED = Workbench.over(Settings(environment=Environment({EMULATOR_VARIABLE: "http://127.0.0.1:1"})))


@pytest.mark.parametrize(("workbench", "interval"), [(REAL, 0), (REAL, 0.9), (EMULATED, 0), (EMULATED, 0.04)])
def test_an_interval_that_would_flood_a_provider_is_refused(workbench, interval):
    with pytest.raises(ConfigurationError, match="--interval"):
        workbench.pace(interval)


@pytest.mark.parametrize(("workbench", "interval"), [(REAL, 1), (REAL, 3600), (EMULATED, 0.05)])
def test_a_given_interval_is_kept_from_the_first_look_to_the_last(workbench, interval):
    pace = workbench.pace(interval)
    assert (pace.first, pace.longest) == (interval, interval)


def test_without_an_interval_a_real_provider_is_asked_gently():
    assert REAL.pace().first > EMULATED.pace().first
