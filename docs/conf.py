"""How Sphinx makes the site. Nothing comes from elsewhere: no fonts, no scripts, no styles."""

project = "shop"
html_title = "shop"
extensions = ["myst_parser"]
myst_heading_anchors = 4
html_theme = "furo"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#2c2a72", "color-brand-content": "#2c2a72"},
    "dark_css_variables": {"color-brand-primary": "#b9b6f2", "color-brand-content": "#b9b6f2"},
}
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
