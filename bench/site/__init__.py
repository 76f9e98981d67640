"""The leaderboard as a static site: tables that sort and filter, a page a task, a page an activation.

It is rendered from the records and from nothing else, opens from a disk without a server, and loads nothing from
anywhere: the one library that its tables need lies beside the pages. Whatever a record says is text and never markup.

Reading order: `write` (the folder), `index`, `task` and `function` (what goes on the three kinds of pages), `cells` (a
table), `words` (what stands in cells), `pictures`, `assets` (the files beside the pages), `templates/` (how it is laid
out).
"""

from bench.site.write import write_site

__all__ = ["write_site"]
