"""The dashboard and `watch`: what is known as pages of lines, kept up to date; `app` and `widgets` need Textual."""
