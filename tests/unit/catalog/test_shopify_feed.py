"""Shopify exports: as they should be, and as they are."""

import csv
import io
import json
import os
from collections.abc import Generator, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
from hypothesis import given, settings, strategies as st

from shop.adapters.feeds.shopify import ShopifyFeed
from shop.core.catalog.source import SourceFault, SourceProduct, SourceVariant
from shop.ports.feeds import FeedUnreadable

HEADER = [
    "Handle",
    "Title",
    "Body (HTML)",
    "Vendor",
    "Product Category",
    "Type",
    "Tags",
    "Published",
    "Option1 Name",
    "Option1 Value",
    "Option2 Name",
    "Option2 Value",
    "Option3 Name",
    "Option3 Value",
    "Variant SKU",
    "Variant Grams",
    "Variant Inventory Tracker",
    "Variant Inventory Qty",
    "Variant Price",
    "Variant Compare At Price",
    "Variant Barcode",
    "Image Src",
    "Image Position",
    "Image Alt Text",
    "Google Shopping / Google Product Category",
    "Variant Image",
    "Variant Weight Unit",
    "Status",
    "SEO Title",
    "Price / International",
]
DATA = Path(__file__).parents[4] / "shared" / "data"


def rec(handle: str = "pot", price: str = "5", **cells: str) -> dict[str, str]:
    """A record; `Option1_Value` stands for the column `Option1 Value`."""
    named = {name.replace("_", " "): text for name, text in cells.items()}
    return {"Handle": handle, "Variant Price": price} | named


def first(handle: str = "pot", price: str = "5", **cells: str) -> dict[str, str]:
    return rec(handle, price, **({"Title": "Clay pot"} | cells))


def written(*records: dict[str, str], **how: Any) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, HEADER, **how)
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue()


def read(text: str | bytes, currency: str = "USD") -> tuple[list[SourceProduct], list[SourceFault]]:
    file = io.BytesIO(text.encode() if isinstance(text, str) else text)
    items = list(ShopifyFeed().read(file, currency))
    assert not file.closed
    return (
        [item for item in items if isinstance(item, SourceProduct)],
        [item for item in items if isinstance(item, SourceFault)],
    )


def read_records(*records: dict[str, str]) -> tuple[list[SourceProduct], list[SourceFault]]:
    return read(written(*records))


def codes(faults: list[SourceFault]) -> list[tuple[int, str, bool]]:
    return [(fault.record, fault.code, fault.refused) for fault in faults]


#: What is said of the short files below.
UNCOUNTED = (0, "stock-missing", False)


def only(*records: dict[str, str]) -> SourceProduct:
    """The one product of records nobody complains about."""
    (product,), faults = read_records(*records)
    assert faults == []
    return product


def one_variant(**cells: str) -> tuple[SourceVariant, list[tuple[int, str, bool]]]:
    (product,), faults = read_records(first(**cells))
    (variant,) = product.variants
    return variant, codes(faults)


# -- products and variants -----------------------------------------------------------------------


def test_a_product_without_options_has_one_variant() -> None:
    product = only(
        first(
            Option1_Name="Title",
            Option1_Value="Default Title",
            Variant_SKU="P-1",
            Variant_Inventory_Qty="3",
            Variant_Grams="250",
            Vendor="Potter",
            Tags="a, b ,A,,c",
        )
    )
    assert product == SourceProduct(
        key="pot",
        record=1,
        title="Clay pot",
        brand="Potter",
        tags=("a", "b", "c"),
        variants=(
            SourceVariant(key="Default Title", sku="P-1", price=500, stock=3, weight_grams=250),
        ),
        addressed=True,
    )


def test_records_of_a_handle_join_even_when_apart_and_written_differently() -> None:
    products, faults = read_records(
        first(Option1_Name="Size", Option1_Value="S"),
        first("cup", Title="Cup"),
        rec("POT ", "6", Option1_Value="M"),
        rec("pot", "", Image_Src="https://x.y/1.jpg"),
    )
    assert faults == []
    assert [(p.key, p.record, len(p.variants)) for p in products] == [("cup", 2, 1), ("pot", 1, 2)]
    assert products[1].variants[1].options == (("Size", "M"),)
    assert products[1].images[0].url == "https://x.y/1.jpg"


def test_three_options_and_many_variants_keep_their_order() -> None:
    names = {"Option1_Name": "Size", "Option2_Name": "Colour", "Option3_Name": "Cut"}
    records = [
        rec("pot", str(n), Option1_Value=f"S{n}", Option2_Value="Red", Option3_Value="A")
        for n in range(1, 121)
    ]
    records[0] |= {name.replace("_", " "): text for name, text in names.items()} | {"Title": "T"}
    product = only(*records)
    assert [v.key for v in product.variants] == [f"S{n} / Red / A" for n in range(1, 121)]
    assert product.variants[119].options == (("Size", "S120"), ("Colour", "Red"), ("Cut", "A"))


def test_option_names_that_lack_or_repeat_are_numbered() -> None:
    product = only(first(Option1_Value="S", Option2_Name="Option 1", Option2_Value="Red"))
    assert product.variants[0].options == (("Option 1", "S"), ("Option 2", "Red"))


def test_the_option_title_with_real_values_is_an_option() -> None:
    product = only(
        first(Option1_Name="Title", Option1_Value="Default Title"), rec(Option1_Value="Large")
    )
    assert [v.options for v in product.variants] == [
        (("Title", "Default Title"),),
        (("Title", "Large"),),
    ]


def test_the_second_of_two_same_variants_is_refused_and_the_first_keeps_its_price() -> None:
    (product,), faults = read_records(
        first(Option1_Name="Size", Option1_Value="S"), rec(price="9", Option1_Value="S")
    )
    assert [v.price for v in product.variants] == [500]
    assert codes(faults) == [(2, "variant-twice", True)]


def test_one_sku_on_several_variants_keeps_them_apart() -> None:
    (product,), faults = read_records(
        first(Option1_Name="Size", Option1_Value="S", Variant_SKU="X"),
        rec(Option1_Value="M", Variant_SKU="X"),
    )
    assert [v.sku for v in product.variants] == ["X", "X"]
    assert codes(faults) == [(2, "sku-repeated", False)]


def test_the_second_product_of_a_handle_is_refused_with_its_records() -> None:
    (product,), faults = read_records(
        first(Option1_Name="Size", Option1_Value="S"),
        first(price="99", Title="Iron pan", Option1_Value="L"),
        rec(price="98", Option1_Value="XL"),
        first(Option1_Value="M"),
    )
    assert [v.key for v in product.variants] == ["S", "M"]
    assert codes(faults) == [
        (2, "handle-of-two-products", True),
        (3, "handle-of-two-products", True),
    ]


def test_a_handle_without_title_is_refused() -> None:
    products, faults = read_records(rec(), first("cup"))
    assert [p.key for p in products] == ["cup"]
    assert codes(faults) == [(1, "title-missing", True)]


def test_a_record_without_handle_is_refused() -> None:
    products, faults = read_records(first(" "), first())
    assert [p.record for p in products] == [2]
    assert codes(faults) == [(1, "handle-missing", True)]


def test_a_variant_without_options_beside_others_is_refused() -> None:
    (product,), faults = read_records(first(), rec(Option1_Value="S"))
    assert [v.key for v in product.variants] == ["S"]
    assert codes(faults) == [(1, "variant-without-options", True)]


def test_a_title_record_without_a_variant_is_no_fault() -> None:
    product = only(first(price="", Option1_Name="Size"), rec(Option1_Value="S"))
    assert [v.options for v in product.variants] == [(("Size", "S"),)]


def test_uneven_options_and_empty_records_are_reported() -> None:
    _, faults = read_records(
        first(Option1_Value="S", Option2_Value="Red"), rec(Option1_Value="M"), rec(price="")
    )
    assert codes(faults) == [(3, "record-empty", False), (1, "options-uneven", False)]


# -- prices, stock, barcodes, weights ------------------------------------------------------------


def test_a_product_without_price_is_kept_as_a_draft() -> None:
    for record in (first(price=""), first(price="", Option1_Value="S")):
        (product,), faults = read_records(record)
        assert product.variants[0].price is None
        assert not product.published
        assert codes(faults) == [(1, "price-missing", False)]


@pytest.mark.parametrize("price", ["free", "-5", "NaN", "1e9999", "5 INR", "9" * 40])
def test_a_price_nobody_can_read_makes_a_draft(price: str) -> None:
    (product,), faults = read_records(first(price=price))
    assert (product.variants[0].price, product.published) == (None, False)
    assert codes(faults) == [(1, "price-unreadable", False)]


@pytest.mark.parametrize(
    ("text", "price", "codes"),
    [("12.345", 1235, ["price-rounded"]), ("12.340", 1234, []), ("40.000", 4000, [])],
)
def test_a_price_that_was_rounded_is_reported(text: str, price: int, codes: list[str]) -> None:
    variant, faults = one_variant(price=text)
    assert (variant.price, [code for _, code, _ in faults]) == (price, codes)


def test_a_price_of_zero_is_kept_and_reported() -> None:
    variant, faults = one_variant(price="0.00")
    assert (variant.price, faults) == (0, [(1, "price-zero", False)])


@pytest.mark.parametrize(
    ("text", "kept", "code"),
    [
        ("9", 900, None),
        ("5.00", None, "compare-at-not-above"),
        ("4.99", None, "compare-at-not-above"),
        ("lots", None, "compare-at-unreadable"),
        ("", None, None),
    ],
)
def test_a_compare_at_price_must_be_above_the_price(
    text: str, kept: int | None, code: str | None
) -> None:
    variant, faults = one_variant(Variant_Compare_At_Price=text)
    assert variant.compare_at == kept
    assert faults == ([(1, code, False)] if code else [])


@pytest.mark.parametrize(
    ("text", "stock", "code"),
    [
        ("", 0, None),
        ("7", 7, None),
        ("7.0", 7, None),
        ("1,200", 1200, None),
        ("7.9", 7, "stock-fractional"),
        ("7,0", 7, None),
        ("7,9", 7, "stock-fractional"),
        ("-3", 0, "stock-negative"),
        ("many", 0, "stock-unreadable"),
        ("1e5", 0, "stock-unreadable"),
        ("9" * 9000, 0, "stock-unreadable"),
        ("1000000000", 10**9, None),
    ],
)
def test_stock_is_taken_as_it_stands(text: str, stock: int, code: str | None) -> None:
    variant, faults = one_variant(Variant_Inventory_Qty=text, Variant_Inventory_Tracker="")
    assert variant.stock == stock
    assert faults == ([(1, code, False)] if code else [])


def test_a_file_without_a_column_of_stock_says_so_and_counts_nothing() -> None:
    products, faults = read("Handle,Title,Variant Price\na,A,1\nb,B,2\n")
    assert [p.counted for p in products] == [False, False]
    assert codes(faults) == [UNCOUNTED]
    assert only(first()).counted


def test_stock_beyond_belief_refuses_the_variant() -> None:
    products, faults = read_records(first(Variant_Inventory_Qty="1000000001"))
    assert products == []
    assert codes(faults) == [(1, "stock-too-large", True), (1, "variants-refused", True)]


@pytest.mark.parametrize(
    ("text", "kept", "code"),
    [
        ("4006381333931", "4006381333931", None),
        ("'4006381333931", "4006381333931", None),
        ('="036000291452"', "036000291452", None),
        ("96385074", "96385074", None),
        ("14006381333938", "14006381333938", None),
        ("978-3-16-148410-0", "9783161484100", None),
        ("4006381333932", "", "barcode-check-digit"),
        ("4.00638E+12", "", "barcode-scientific"),
        ("SHELF-17", "SHELF-17", None),
    ],
)
def test_a_barcode_must_be_whole(text: str, kept: str, code: str | None) -> None:
    variant, faults = one_variant(Variant_Barcode=text)
    assert variant.barcode == kept
    assert faults == ([(1, code, False)] if code else [])


@pytest.mark.parametrize(
    ("text", "grams", "code"),
    [
        ("453.59237", 454, None),
        ("453,59237", 454, None),
        ("1,500", 1500, None),
        ("0", 0, None),
        ("", None, None),
        ("-1", None, "weight-unreadable"),
        ("heavy", None, "weight-unreadable"),
        ("1" + "0" * 20, None, "weight-unreadable"),
    ],
)
def test_grams_are_grams_whatever_unit_is_shown(
    text: str, grams: int | None, code: str | None
) -> None:
    variant, faults = one_variant(Variant_Grams=text, Variant_Weight_Unit="kg")
    assert variant.weight_grams == grams
    assert faults == ([(1, code, False)] if code else [])


def test_a_weight_with_a_unit_becomes_grams() -> None:
    text = "Handle,Title,Price,Weight,Weight unit\na,A,1,1.5,kg\nb,B,1,2,lb\nc,C,1,2,stone\n"
    products, faults = read(text)
    assert [p.variants[0].weight_grams for p in products] == [1500, 907, None]
    assert codes(faults) == [UNCOUNTED, (3, "weight-unreadable", False)]


# -- the rest of a product -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("published", "status", "shown"),
    [
        ("true", "", True),
        ("TRUE", "active", True),
        ("yes", "Active", True),
        ("WAHR", "active", True),
        ("FALSCH", "active", False),
        ("FAUX", "", False),
        ("VERDADERO", "", True),
        ("", "", True),
        ("false", "", False),
        ("FALSE", "active", False),
        ("true", "draft", False),
        ("true", "archived", False),
    ],
)
def test_published_and_status_must_agree(published: str, status: str, shown: bool) -> None:  # noqa: FBT001
    assert only(first(Published=published, Status=status)).published is shown


@pytest.mark.parametrize(
    ("cells", "code"),
    [({"Status": "unlisted"}, "status-unknown"), ({"Published": "?"}, "published-unreadable")],
)
def test_a_state_nobody_knows_makes_a_draft(cells: dict[str, str], code: str) -> None:
    (product,), faults = read_records(first(**cells))
    assert not product.published
    assert codes(faults) == [(1, code, False)]


@pytest.mark.parametrize(
    ("category", "google", "own", "paths"),
    [
        ("Home > Pots & Pans", "X > Y", "Garden", (("Home", "Pots & Pans"), ("Garden",))),
        ("", "X > Y", "y", (("X", "Y"),)),
        ("", "1604", "", ()),
        ("aa-1-13-8", "X", "", (("X",),)),
        ("Uncategorized", "", "Shirts > Polo", (("Shirts", "Polo"),)),
        ("", "", " > ", ((">",),)),
    ],
)
def test_categories_are_the_trades_path_and_the_keepers_own(
    category: str, google: str, own: str, paths: tuple[tuple[str, ...], ...]
) -> None:
    cells = {"Google Shopping / Google Product Category": google}
    assert only(first(Product_Category=category, Type=own) | cells).categories == paths


def test_images_are_ordered_and_kept_once_as_text() -> None:
    (product,), faults = read_records(
        first(Image_Src="https://x.y/2.jpg?v=1", Image_Position="2", Image_Alt_Text="Two"),
        rec(price="", Image_Src="http://x.y/1.jpg", Image_Position="1"),
        rec(price="", Image_Src="http://x.y/1.jpg", Image_Position="3"),
        rec(price="", Image_Src="https://x.y/9.jpg"),
        rec(price="", Image_Src="javascript:alert(1)", Image_Position="1"),
        rec(price="", Image_Src="file:///etc/passwd"),
    )
    assert [(i.url, i.alt) for i in product.images] == [
        ("http://x.y/1.jpg", ""),
        ("https://x.y/2.jpg?v=1", "Two"),
        ("https://x.y/9.jpg", ""),
    ]
    assert codes(faults) == [
        (2, "image-insecure", False),
        (3, "image-insecure", False),
        (5, "image-address", False),
        (6, "image-address", False),
    ]


def test_the_image_beside_a_refused_variant_is_kept() -> None:
    (product,), faults = read_records(
        first(Image_Src="https://x.y/1.jpg"), first(Image_Src="https://x.y/2.jpg")
    )
    assert [i.url for i in product.images] == ["https://x.y/1.jpg", "https://x.y/2.jpg"]
    assert codes(faults) == [(2, "variant-twice", True)]


def test_a_variant_may_have_its_own_image() -> None:
    variant, _ = one_variant(Variant_Image="https://x.y/v.jpg")
    assert variant.image == "https://x.y/v.jpg"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("//cdn.x.y/1.jpg?v=1", "https://cdn.x.y/1.jpg?v=1"),
        ("https://x.y/blue mug 1.jpg", "https://x.y/blue%20mug%201.jpg"),
        ("https://x.y/1.jpg, https://x.y/2.jpg", None),
        ("//", None),
    ],
)
def test_an_address_as_browsers_take_it_is_written_out(text: str, url: str | None) -> None:
    (product,), faults = read_records(first(Image_Src=text))
    assert [i.url for i in product.images] == ([url] if url else [])
    assert codes(faults) == ([] if url else [(1, "image-address", False)])


def test_a_picture_that_pages_will_not_show_is_kept_with_a_warning() -> None:
    (product,), faults = read_records(
        first(Image_Src="HTTPS://x.y/1.jpg"),
        rec(price="", Image_Src="HTTP://x.y/2.jpg"),
    )
    assert [i.url for i in product.images] == ["HTTPS://x.y/1.jpg", "HTTP://x.y/2.jpg"]
    assert codes(faults) == [(2, "image-insecure", False)]


def test_a_text_too_long_is_cut_and_reported() -> None:
    (product,), faults = read_records(
        first("h" * 300, Title="T" * 600, Variant_SKU="S" * 300, Vendor="V" * 300)
    )
    assert (len(product.key), len(product.title), len(product.brand)) == (255, 512, 255)
    assert len(product.variants[0].sku) == 255
    assert sorted(f.code for f in faults) == ["handle-cut", "text-cut", "text-cut", "text-cut"]


def test_odd_text_is_only_text() -> None:
    product = only(first(Title='=HYPERLINK("x") 100% _ "q" & ™\xa0½', Tags="=1+1,@SUM"))
    assert product.title == '=HYPERLINK("x") 100% _ "q" & ™\xa0½'
    assert product.tags == ("=1+1", "@SUM")


def test_the_body_is_sanitised() -> None:
    product = only(first() | {"Body (HTML)": "<p onclick=x>Hi<script>1</script>"})
    assert product.description_html == "<p>Hi</p>"


# -- containers ----------------------------------------------------------------------------------

SAMPLE = written(
    first(Title="Café pot", Option1_Name="Size", Option1_Value="S") | {"Body (HTML)": "a\n\nb"},
    rec(price="6", Option1_Value="M"),
    first("cup", Title="Cup, blue"),
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_encodings_and_newlines_change_nothing(encoding: str, newline: str) -> None:
    text = SAMPLE.replace("\r\n", newline)
    products, faults = read(text.encode(encoding))
    assert faults == []
    assert products == read(SAMPLE)[0]
    assert products[0].description_html == "<p>a</p><p>b</p>"


def test_windows_text_is_read_with_a_warning() -> None:
    products, faults = read(SAMPLE.encode("cp1252"))
    assert products[0].title == "Café pot"
    assert codes(faults) == [(0, "encoding", False)]


def test_a_single_damaged_character_does_not_spoil_the_others() -> None:
    products, faults = read(SAMPLE.replace("Caf", "éé Caf").encode().replace(b"Cup", b"C\xffp"))
    assert [p.title for p in products] == ["éé Café pot", "C\ufffdp, blue"]
    assert codes(faults) == [(0, "encoding", False)]


@pytest.mark.parametrize("delimiter", ["\t", ";"])
def test_other_delimiters_are_found_by_the_header(delimiter: str) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(csv.reader(io.StringIO(SAMPLE)))
    assert read(out.getvalue()) == read(SAMPLE)


def test_padded_cells_and_headers_nul_bytes_and_case_are_forgiven() -> None:
    products, faults = read(" HANDLE , title,Variant  Price ,x\n pot\0 , Clay pot , 5 ,y\n")
    assert codes(faults) == [UNCOUNTED]
    assert (products[0].key, products[0].title, products[0].variants[0].price) == (
        "pot",
        "Clay pot",
        500,
    )


def test_blank_records_are_counted_in_one_line() -> None:
    width = len(HEADER)
    blank = "," * (width - 1) + "\r\n"
    products, faults = read(SAMPLE + blank * 3995)
    assert len(products) == 2
    assert codes(faults) == [(4, "blank-records", False)]
    assert faults[0].message.startswith("3995 ")


def test_ragged_records_are_refused_by_number_and_the_rest_goes_on() -> None:
    products, faults = read('Handle,Title,Price\na,A\nb,"B\nB",2\nc,C,3,4\n\nd,D,4\n')
    assert [(p.key, p.record, p.title) for p in products] == [("b", 2, "B B"), ("d", 5, "D")]
    assert codes(faults) == [
        UNCOUNTED,
        (1, "record-ragged", True),
        (3, "record-ragged", True),
        (4, "blank-records", False),
    ]


def test_lines_quoted_a_second_time_are_undone() -> None:
    lines = SAMPLE.replace("\r\n", "\n").splitlines()
    spoilt = "".join('"' + line.replace('"', '""') + '"\n' for line in lines)
    products, faults = read(spoilt)
    assert products == read(SAMPLE)[0]
    assert codes(faults) == [(0, "lines-quoted-twice", False)]


def test_lines_of_which_only_some_are_quoted_twice_refuse_the_file() -> None:
    with pytest.raises(FeedUnreadable, match="second time"):
        read('"Handle,Title,Price"\n"a,A,1"\nb,B,2\n')


def test_a_huge_field_is_no_obstacle() -> None:
    picture = f'<p>a</p><img src="data:image/png;base64,{"A" * 10_000_000}">'
    assert only(first() | {"Body (HTML)": picture}).description_html == "<p>a</p>"


def test_a_quotation_mark_never_closed_refuses_the_file_before_anything_is_taken() -> None:
    text = 'Handle,Title,Price\na,A,1\nb,"B,2\n' + "c,C,3\n" * 3_000_000
    with pytest.raises(FeedUnreadable, match="quotation mark") as caught:
        next(iter(ShopifyFeed().read(io.BytesIO(text.encode()), "USD")))
    assert caught.value.facts == {"record": 2}
    assert caught.value.code == "import-unreadable"


@pytest.mark.parametrize(
    ("spoilt", "fault"),
    [
        ('b,B,2,"x\nc,C,3,y\nd,D,4,z\n', "takes 3 lines, to the end of the file"),
        ('b,"B,2,x\nc,C,3,y\n', "takes 2 lines, to the end of the file"),
        ('b,B,2,"x', "never closed."),
    ],
)
def test_records_that_an_open_quotation_mark_took_are_never_lost_in_silence(
    spoilt: str, fault: str
) -> None:
    products, faults = read("Handle,Title,Price,Cost per item\na,A,1,w\n" + spoilt)
    assert [p.key for p in products] == ["a"]
    assert codes(faults) == [UNCOUNTED, (2, "quote-unclosed", True)]
    assert fault in faults[1].message


def test_a_quotation_mark_left_open_in_the_header_refuses_the_file() -> None:
    with pytest.raises(FeedUnreadable, match="header is never closed"):
        read('Handle,Title,Price,"Cost per item\na,A,1,w\n')


def test_a_reading_that_was_interrupted_ends_quietly_when_its_file_is_closed() -> None:
    file = io.BytesIO(SAMPLE.encode())
    reading = cast("Generator[object]", ShopifyFeed().read(file, "USD"))
    next(reading)
    file.close()
    reading.close()


@pytest.mark.parametrize(
    ("header", "missing"),
    [
        ("Handle,Price", ["Title"]),
        ("Title,Variant Price", ["Handle"]),
        ("Handle,Title", ["Variant Price"]),
        ("Vendor,Status", ["Handle", "Title", "Variant Price"]),
    ],
)
def test_a_header_without_the_needed_columns_says_which(header: str, missing: list[str]) -> None:
    with pytest.raises(FeedUnreadable, match=", ".join(missing)) as caught:
        read(header + "\n1,2\n")
    assert caught.value.facts == {"missing": missing}


def test_the_newest_name_of_the_barcode_is_known() -> None:
    products, _ = read("Title,URL handle,Price,Variant Barcodes\nPot,pot,5,96385074\n")
    assert products[0].variants[0].barcode == "96385074"


def test_the_newer_template_is_known() -> None:
    header = (
        "Title,URL handle,Description,Vendor,Product category,Type,Tags,"
        "Published on online store,Status,SKU,Barcode,Option1 name,Option1 value,Price,"
        "Price / International,Compare-at price,Inventory quantity,Weight value (grams),"
        "Product image URL,Image position,Image alt text,Variant image URL"
    )
    cells = (
        "Pot,pot,<p>x</p>,Potter,Home > Pots,Clay,a,TRUE,Active,S,96385074,Size,L,5,99,9,3,250,"
        "https://x.y/1.jpg,1,Alt,https://x.y/v.jpg"
    )
    (product,), faults = read(f"{header}\n{cells}\n")
    assert faults == []
    assert product.categories == (("Home", "Pots"), ("Clay",))
    assert product.images[0].alt == "Alt"
    assert product.variants[0] == SourceVariant(
        key="L",
        sku="S",
        options=(("Size", "L"),),
        price=500,
        compare_at=900,
        stock=3,
        barcode="96385074",
        weight_grams=250,
        image="https://x.y/v.jpg",
    )


class _Pipe(io.RawIOBase):
    """A file that can be read once only."""

    def __init__(self, content: bytes) -> None:
        self._rest = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._rest.readinto(buffer)


def test_a_pipe_reads_as_a_file_does() -> None:
    piped = list(ShopifyFeed().read(cast("BinaryIO", _Pipe(SAMPLE.encode())), "USD"))
    assert piped == read(SAMPLE)[0]


def test_a_product_comes_out_when_its_last_record_was_read() -> None:
    seen: list[tuple[int, int]] = []
    text = written(*(first(f"p{n}") for n in range(1000)))
    items: Iterator[object] = ShopifyFeed().read(
        io.BytesIO(text.encode()), "USD", lambda done, total: seen.append((done, total))
    )
    next(items)
    assert seen == []
    assert len(list(items)) == 999
    assert seen == [(256, 1000), (512, 1000), (768, 1000), (1000, 1000)]


# -- anything ------------------------------------------------------------------------------------


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with suppress(FeedUnreadable):
        read(content)


@settings(max_examples=200)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(HEADER),
            st.text(max_size=20) | st.sampled_from(["pot", "S", "5", "-1", "1e9", "<p>", '"']),
        )
    ),
    st.binary(max_size=20),
)
def test_any_cells_give_products_that_keep_the_rules(
    records: list[dict[str, str]], noise: bytes
) -> None:
    products, faults = read(written(*records).encode("utf-8", "replace") + noise)
    assert len({p.key.casefold() for p in products}) == len(products)
    for product in products:
        assert product.title
        assert len({v.key for v in product.variants}) == len(product.variants) > 0
        assert all(v.stock >= 0 and (v.price is None or v.price >= 0) for v in product.variants)
    assert all(fault.message and fault.code for fault in faults)


# -- real files ----------------------------------------------------------------------------------


def _data(*pattern: str) -> list[Path]:
    return sorted(path for one in pattern for path in DATA.glob(one))


def _need_data() -> None:
    if not DATA.is_dir():
        assert not os.environ.get("CI"), f"the shared data are not at {DATA}"
        pytest.skip(f"NOT CHECKED AGAINST REAL FILES: no shared data at {DATA}")


def test_real_exports_give_what_they_should() -> None:
    _need_data()
    truth = json.loads((DATA / "truth_open.json").read_text())["open"]
    files = _data("shopify/*.csv")
    assert files
    for path in files:
        want = truth[f"shopify/{path.name}"]
        products, faults = read(path.read_bytes())
        lines = sorted(
            f"{p.key}\t{v.key}\t{'' if v.price is None else v.price}\n".encode()
            for p in products
            for v in p.variants
        )
        assert sha256(b"".join(lines)).hexdigest() == want["variants_sha256"], path
        assert len(products) == want["products"]
        assert len(lines) == want["variants"]
        assert sum(v.stock for p in products for v in p.variants) == want["stock_total"]
        assert len({i.url for p in products for i in p.images}) == want["distinct_images"]
        assert [f for f in faults if f.refused] == want["invalid"] == []
        assert not any(want["warnings"].values())
        assert faults == []


def test_files_of_other_formats_are_refused_as_a_whole() -> None:
    _need_data()
    files = _data("*/*.csv", "*/*.json", "*/*.xml", "*/*.xz", "*/*.gz", "vendure/assets/*.jpg")
    others = [path for path in files if path.parent.name != "shopify"]
    assert len(others) > 20
    for path in others[:40]:
        with path.open("rb") as file, pytest.raises(FeedUnreadable):
            list(ShopifyFeed().read(file, "USD"))


def test_an_empty_file_is_refused() -> None:
    for content in (b"", b"\n\n", b"\xef\xbb\xbf", b",,,\n"):
        with pytest.raises(FeedUnreadable, match="empty"):
            read(content)
