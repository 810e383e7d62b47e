"""Variants by the hand of staff: what is said changes, and nothing else."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from uuid import UUID

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from shop.core.catalog.model import Product, Variant
from shop.core.catalog.variants import VariantDraft, arranged
from shop.core.kernel.errors import Malformed
from shop.core.kernel.ids import ProductId, VariantId
from shop.core.kernel.money import Money
from shop.ports.system import Ids

NOW = datetime(2026, 2, 3, tzinfo=UTC)
RED = Variant(
    id=VariantId(UUID(int=1)),
    key="Red",
    title="Red",
    sku="MUG-R",
    options=(("Colour", "Red"),),
    price=29_900,
    compare_at=34_900,
    barcode="8901234567890",
    weight_grams=300,
    image="/media/red.png",
    source_stock=4,
)
BLUE = replace(RED, id=VariantId(UUID(int=2)), key="Blue", title="Blue", sku="MUG-B")
MUG = Product(
    id=ProductId(UUID(int=9)),
    slug="mug",
    title="Mug",
    variants=(RED, BLUE),
    currency="INR",
    created_at=NOW,
    updated_at=NOW,
)


class Numbers(Ids):
    def __init__(self) -> None:
        self._next: Iterator[int] = count(100)

    def new(self) -> UUID:
        return UUID(int=next(self._next))

    def secret(self, size: int = 32) -> bytes:
        raise NotImplementedError


def after(*drafts: VariantDraft) -> tuple[Variant, ...]:
    return arranged(MUG, drafts, Numbers())


def test_what_is_left_out_of_a_named_variant_stays() -> None:
    assert after(VariantDraft(id=RED.id, price=31_000), VariantDraft(id=BLUE.id)) == (
        replace(RED, price=31_000),
        BLUE,
    )


def test_what_is_emptied_on_purpose_is_empty() -> None:
    wished = VariantDraft(id=RED.id, sku="", compare_at=None, barcode="", weight_grams=None)
    changed, gone = after(wished)
    assert changed == replace(RED, sku="", compare_at=None, barcode="", weight_grams=None)
    assert gone == replace(BLUE, withdrawn=True)


def test_a_title_made_of_the_options_goes_along_with_them_and_another_does_not() -> None:
    options = (("Colour", "Rust"),)
    assert after(VariantDraft(id=RED.id, options=options))[0].title == "Rust"
    own = replace(RED, title="Our red")
    (changed,) = arranged(
        replace(MUG, variants=(own,)), (VariantDraft(id=own.id, options=options),), Numbers()
    )
    assert (changed.title, changed.options) == ("Our red", options)
    assert after(VariantDraft(id=RED.id, title=""))[0].title == "Red"


def test_a_named_one_is_sold_again_as_it_was() -> None:
    gone = replace(RED, withdrawn=True)
    product = replace(MUG, variants=(gone,))
    assert arranged(product, (VariantDraft(id=gone.id),), Numbers()) == (RED,)


def test_a_new_one_has_what_was_said_and_nothing_else() -> None:
    new = after(
        VariantDraft(id=RED.id),
        VariantDraft(id=BLUE.id),
        VariantDraft(options=(("Colour", "Tan"),)),
    )[2]
    assert new == Variant(
        id=VariantId(UUID(int=100)), key="Tan", title="Tan", options=(("Colour", "Tan"),)
    )


def test_amounts_may_come_with_the_currency_of_the_product() -> None:
    wished = VariantDraft(id=RED.id, price=Money(100, "INR"), compare_at=Money(200, "INR"))
    assert after(wished)[0] == replace(RED, price=100, compare_at=200)


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (VariantDraft(id=BLUE.id, price=Money(1, "USD")), "variants.1.price.currency"),
        (VariantDraft(compare_at=Money(1, "usd")), "variants.1.compare_at_price.currency"),
    ],
)
def test_another_currency_is_refused_by_name(draft: VariantDraft, field: str) -> None:
    with pytest.raises(Malformed, match="sold in INR") as refused:
        after(VariantDraft(id=RED.id), draft)
    assert refused.value.field == field


def test_an_unnamed_one_with_the_options_of_a_known_one_is_that_one() -> None:
    again = VariantDraft(options=RED.options, price=5)
    assert (again.sku, again.title) == (UNSET, UNSET)
    known = after(again)[0]
    assert (known.id, known.key, known.source_stock) == (RED.id, "Red", 4)
    assert (known.price, known.sku) == (5, "")
