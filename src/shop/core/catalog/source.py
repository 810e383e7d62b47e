"""Products as a file from outside describes them, before they become ours.

A feed reader (an adapter per format) yields these; `Importing` turns them into products.
"""

from uuid import UUID

from msgspec import Struct


class SourceImage(Struct, frozen=True, kw_only=True):
    url: str
    alt: str = ""


class SourceVariant(Struct, frozen=True, kw_only=True):
    """One sellable unit. `key` is its identity within the product.

    For Shopify: the option values joined by " / ", as in the file: `Default Title` without options.
    """

    key: str
    sku: str = ""
    options: tuple[tuple[str, str], ...] = ()  # (option name, value), in the order of the file
    price: int | None = None  # minor units; None when the file has none
    compare_at: int | None = None
    stock: int = 0
    barcode: str = ""
    weight_grams: int | None = None
    image: str = ""


class SourceProduct(Struct, frozen=True, kw_only=True):
    """`key` is the source's own identity (handle, uniq_id); `record` the first record's number.

    `addressed`: the key is the product's address too, and stays it as far as an address can.
    `counted`: the file tells of stock; where it does not, what lies on the shelf stays there.
    `product_id` is ours: the file is an export of this shop, or of one like it.
    """

    key: str
    record: int
    title: str
    description_html: str = ""  # already sanitised by the reader
    brand: str = ""
    categories: tuple[tuple[str, ...], ...] = ()  # full paths, root first
    tags: tuple[str, ...] = ()
    specifications: tuple[tuple[str, str], ...] = ()
    images: tuple[SourceImage, ...] = ()
    variants: tuple[SourceVariant, ...]
    published: bool = True
    currency: str | None = None  # None: the currency the import was started with
    hsn: str = ""
    tax_basis_points: int | None = None  # None: the shop's default rate
    addressed: bool = False
    counted: bool = True
    product_id: UUID | None = None


class SourceFault(Struct, frozen=True, kw_only=True):
    """What a reader could not take as it stands.

    `refused`: a record or product that is left out; otherwise a warning about one that is kept.
    `record` counts from 1 after the header, by RFC 4180 (a quoted newline ends no record).
    """

    record: int
    key: str = ""
    code: str
    message: str
    refused: bool
