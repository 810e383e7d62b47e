"""The catalogue a new shop can start with: goods, brands and drawings made up for this project."""

from shop.adapters.demo.source import picture, products

__all__ = ["picture", "products"]
