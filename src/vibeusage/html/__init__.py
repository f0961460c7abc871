"""The report as one page of HTML: `content` reads, `sections` and `svg` draw, `page` puts it together."""
