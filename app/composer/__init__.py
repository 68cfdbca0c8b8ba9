"""The figure composer: a page in millimetres, panels on it, and what they look like.

`arranging` and `snapping` are geometry; `editor` holds the page and its undo; `previews` has panels
drawn; `canvas`, `fields` and `panel_list` show and change the page; `window` puts them together.
"""
