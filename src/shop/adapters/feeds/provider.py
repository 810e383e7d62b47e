"""The readers of other shops' files, for dishka."""

from dishka import Provider, Scope, provide

from shop.adapters.feeds.shopify import ShopifyFeed
from shop.ports.feeds import Feeds


class FeedReaders(Provider):
    @provide(scope=Scope.APP)
    def feeds(self) -> Feeds:
        return Feeds({"shopify": ShopifyFeed()})
