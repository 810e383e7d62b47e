"""Finds the category of a path of names, and makes those that are missing."""

from collections.abc import Iterable, Sequence
from hashlib import sha256

import msgspec

from shop.core.catalog.model import MOST_DEPTH, Category
from shop.core.catalog.words import CATEGORY_SLUG_MOST, fold, slug_of, suffixed
from shop.core.kernel.ids import CategoryId
from shop.ports.system import Ids


class Shelving:
    """The tree as it was when loaded, with what was added since. `fresh` is not stored yet."""

    def __init__(self, ids: Ids, tree: Iterable[Category]) -> None:
        self._ids = ids
        self._by_id: dict[CategoryId, Category] = {}
        self._by_source: dict[bytes, Category] = {}
        self._by_name: dict[tuple[CategoryId | None, str], Category] = {}
        self._paths: set[str] = set()
        self.fresh: list[Category] = []
        for category in tree:
            self._take(category)

    def place(self, names: Sequence[str]) -> CategoryId | None:
        """The category of the whole path; names beyond the tenth are left out.

        A node is known by its whole path as the source wrote it, wherever staff has moved it
        since; else by its name under its parent.
        """
        at: Category | None = None
        for depth in range(min(len(names), MOST_DEPTH)):
            key = sha256(msgspec.json.encode(tuple(names[: depth + 1]))).digest()
            parent = at.id if at else None
            found = self._by_source.get(key) or self._by_name.get((parent, fold(names[depth])))
            if found is None and at is not None and at.path.count("/") + 1 >= MOST_DEPTH:
                break
            at = found or self._make(at, names[depth], key)
        return at.id if at else None

    def _make(self, parent: Category | None, name: str, key: bytes) -> Category:
        slug = slug_of(name, CATEGORY_SLUG_MOST) or suffixed("", key)
        path = f"{parent.path}/{slug}" if parent else slug
        if path in self._paths:
            slug = suffixed(slug, key, CATEGORY_SLUG_MOST)
            path = f"{parent.path}/{slug}" if parent else slug
        made = Category(
            id=CategoryId(self._ids.new()),
            parent_id=parent.id if parent else None,
            name=name[:200],
            slug=slug,
            path=path,
            source_key=key,
        )
        self.fresh.append(made)
        self._take(made)
        return made

    def _take(self, category: Category) -> None:
        self._by_id[category.id] = category
        self._paths.add(category.path)
        self._by_name.setdefault((category.parent_id, fold(category.name)), category)
        if category.source_key is not None:
            self._by_source[category.source_key] = category
