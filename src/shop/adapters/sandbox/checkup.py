"""The sandbox gateway is always there."""

from shop.ports.checkup import GatewayCheckup


class SandboxCheckup(GatewayCheckup):
    async def examine(self) -> str:
        return "the sandbox gateway; it moves no money"
