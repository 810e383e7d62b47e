"""Whether Razorpay is reached and takes our key, for the doctor."""

import asyncio
from typing import Any

from shop.adapters.razorpay.line import Clients, KeyRejected, Rejected, TooMany
from shop.ports.checkup import GatewayCheckup, Unwell
from shop.ports.payments import GatewayUnavailable


class RazorpayCheckup(GatewayCheckup):
    def __init__(self, clients: Clients, key_id: str, url: str) -> None:
        self._clients = clients
        self._mode = "live" if key_id.startswith("rzp_live_") else "test"
        self._url = url

    async def examine(self) -> str:
        def one(client: Any) -> Any:
            return client.payment.all({"count": 1})

        try:
            await asyncio.wrap_future(self._clients.submit(one))
        except KeyRejected as error:
            raise Unwell(
                f"{self._url} does not take our key",
                "set SHOP_RAZORPAY_KEY_ID and SHOP_RAZORPAY_KEY_SECRET to one pair",
            ) from error
        except TooMany as error:
            raise Unwell(f"{self._url} is asked too often", "try again later") from error
        except (Rejected, GatewayUnavailable) as error:
            raise Unwell(
                f"{self._url} cannot be used ({error})",
                "see that this machine may reach it, and SHOP_RAZORPAY_URL",
            ) from error
        return f"Razorpay, {self._mode} mode"
