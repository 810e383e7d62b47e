"""QR codes as pictures that need no file."""

from io import BytesIO


def qr_svg(text: str) -> str:
    """An SVG that scales; black on white, with the margin that cameras need."""
    import segno  # noqa: PLC0415 - few ever need it

    drawn = BytesIO()
    segno.make(text, error="m", micro=False).save(
        drawn, kind="svg", border=4, light="#fff", xmldecl=False, svgns=True, omitsize=True
    )
    return drawn.getvalue().decode().strip()
