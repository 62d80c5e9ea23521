"""What is seen: figures of arrays, progress bars, sliders, moving pictures."""

from probnn.display.animation import animate
from probnn.display.contours import mass_contours, mass_levels
from probnn.display.costs import letter_costs
from probnn.display.digit_maps import digit_key, show_maps
from probnn.display.explorer import explore
from probnn.display.live import progress
from probnn.display.pad import draw_digit
from probnn.display.pages import says, show_source
from probnn.display.reconstructions import plot

__all__ = [
    "animate",
    "digit_key",
    "draw_digit",
    "explore",
    "letter_costs",
    "mass_contours",
    "mass_levels",
    "plot",
    "progress",
    "says",
    "show_maps",
    "show_source",
]
