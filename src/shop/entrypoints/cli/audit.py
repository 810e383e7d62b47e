"""`shop audit`."""

from typing import Any

import click

from shop.entrypoints.cli.common import Failure, in_container, with_settings
from shop.settings import Settings


@click.command()
@with_settings
def audit(settings: Settings) -> None:
    """Compare stock, orders, payments, invoices, events and mails; change nothing.

    What is on its way is only counted; what is overdue by a minute is blamed.
    """
    from shop.core.checkout.audit import Audit, Report

    async def work(container: Any) -> Report:
        async with container() as scope:
            auditor: Audit = await scope.get(Audit)
            return await auditor.run()

    report = in_container(settings, work)
    for title, counts in (("checked", report.checked), ("under way", report.underway)):
        for what, count in counts.items():
            click.echo(f"{title:<10} {count:>9}  {what}")
    for finding in report.findings:
        click.echo(finding)
    if not report.agrees:
        raise Failure(f"{report.wrong} things do not agree.")
    click.echo("Everything agrees.")
