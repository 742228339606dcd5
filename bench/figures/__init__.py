"""Pictures of results, described once and drawn twice: as SVG inside a page, in its reader's light
or dark theme, and with matplotlib as a file for print.

- `shapes`: what a picture shows, as plain data.
- `looks`: colours and shapes, one of each for a method in all pictures.
- `scales`: from values to places.
- `svg`, `printed`: the two ways to draw.
"""
