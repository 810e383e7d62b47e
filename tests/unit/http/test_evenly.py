import pytest

from shop.entrypoints.http.evenly import evenly
from tests.kit.stopwatch import stopwatch


@pytest.mark.parametrize(
    ("work", "took"), [(0.0, 0.15), (0.01, 0.15), (0.14, 0.15), (0.16, 0.3), (0.4, 0.45)]
)
async def test_the_answer_comes_at_the_next_step_whatever_the_work_took(
    monkeypatch: pytest.MonkeyPatch, work: float, took: float
) -> None:
    watch = stopwatch(monkeypatch)
    began = watch.now
    async with evenly():
        watch.now += work
    assert watch.now - began == pytest.approx(took)


async def test_a_refusal_takes_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = stopwatch(monkeypatch)
    began = watch.now
    with pytest.raises(ValueError, match="no"):
        async with evenly():
            watch.now += 0.02
            raise ValueError("no")
    assert watch.now - began == pytest.approx(0.15)
