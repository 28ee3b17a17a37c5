import llm
import pytest

from batchwright.errors import ConfigurationError
from batchwright.plugins.llm.tools import toolset


@pytest.fixture
def echo(plugin):
    return llm.get_async_model("echo")


def test_nothing_asked_for_is_no_tools(echo):
    assert toolset((), (), echo) is None


def test_every_row_has_a_toolbox_of_its_own(echo):
    make = toolset(["Counter(5)"], (), echo)
    (first,), (second,) = make(), make()
    first.increase(2)
    assert (first.value, second.value) == (7, 5)


def test_functions_of_ones_own_are_tools_and_those_that_begin_with_an_underscore_are_not(echo):
    make = toolset(["python"], ["def double(n: int) -> int:\n    return 2 * n\ndef _hidden(): ...\n"], echo)
    assert [tool.name for tool in make()] == ["double", "python"]


@pytest.mark.parametrize(
    ("specs", "functions", "why"),
    [
        (["pyhton"], (), r"Tool\(s\) pyhton not found; is it python\?"),
        (["qqqqq"], (), "known: .*python"),
        (["Counter(1, 2)"], (), "--tools"),
        ((), ["def broken("], "--functions: SyntaxError"),
    ],
)
def test_what_cannot_be_a_tool_is_refused_before_anything_is_asked(echo, specs, functions, why):
    with pytest.raises(ConfigurationError, match=why):
        toolset(specs, functions, echo)


def test_a_model_without_tools_is_refused(plugin):
    with pytest.raises(ConfigurationError, match="spoken does not support tools"):
        toolset(["python"], (), llm.get_model("spoken"))
