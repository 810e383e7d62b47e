"""The readers of other shops' files, for dishka."""

from dishka import Provider, Scope, provide

from shop.adapters.feeds.shopify import ShopifyFeed
from shop.adapters.feeds.shopify_writer import ShopifyWriter
from shop.ports.feeds import Feeds, FeedWriters


class FeedReaders(Provider):
    @provide(scope=Scope.APP)
    def feeds(self) -> Feeds:
        return Feeds({"shopify": ShopifyFeed()})

    @provide(scope=Scope.APP)
    def writers(self) -> FeedWriters:
        return FeedWriters({"shopify": ShopifyWriter()})
